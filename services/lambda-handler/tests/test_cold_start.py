import subprocess
import sys
from pathlib import Path

import pytest

from lambda_handler.cold_start import seconds_since_process_start


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process started")
def test_the_time_before_the_first_import_counts() -> None:
    program = (
        "import time; time.sleep(0.3)\n"
        "from lambda_handler.cold_start import seconds_since_process_start as age\nprint(age())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert 0.25 < float(done.stdout) < 30


@pytest.mark.parametrize("content", [None, "", "1 (python) S", "1 (a) b) S " + "x " * 40])
def test_without_a_readable_start_time_the_import_is_the_start(tmp_path: Path, content: str | None) -> None:
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    first = seconds_since_process_start(stat)
    assert 0 <= first <= seconds_since_process_start(stat)
