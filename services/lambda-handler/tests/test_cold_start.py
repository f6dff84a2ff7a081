import os
import subprocess
import sys
import time
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


def test_a_function_that_starts_imports_nothing_that_only_trouble_needs() -> None:
    variables = {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "ORDERS_TABLE": "orders",
        "STOCK_TABLE": "stock",
        "OUTCOMES_TOPIC_ARN": "arn:aws:sns:eu-west-1:000000000000:outcomes",
        "GATEWAY_URL": "http://gateway.test",
        "AWS_ENDPOINT_URL": "https://aws.test",
    }
    heavy = {"aiobotocore", "boto3", "urllib3", "dateutil", "structlog", "prometheus_client", "orjson", "aiohttp"}
    heavy |= {"urllib.request", "http.client", "xml.etree.ElementTree"} | {
        f"botocore.{name}" for name in ("parsers", "session", "client", "utils", "httpsession", "compat", "auth")
    }
    program = f"import sys, lambda_handler.main\nprint(*sorted({heavy} & sys.modules.keys()))"
    # A proxy is asked through aiohttp.
    ours = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    started = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ours | variables
    )
    assert started.stdout.split() == []


@pytest.mark.parametrize("content", [None, "", "1 (python) S", "1 (a) b) S " + "x " * 40])
def test_without_a_readable_start_time_the_import_is_the_start(tmp_path: Path, content: str | None) -> None:
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    first = seconds_since_process_start(stat)
    assert 0 <= first <= seconds_since_process_start(stat)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux counts from its boot")
def test_the_start_is_the_twenty_second_field_and_no_time_is_negative(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    now, ticks = time.clock_gettime(time.CLOCK_BOOTTIME), os.sysconf("SC_CLK_TCK")
    for started, age in ((now - 5, 5.0), (now + 100, 0.0)):
        stat.write_text(f"1 (a) b) S {'0 ' * 18}{int(started * ticks)} {'0 ' * 30}")
        assert seconds_since_process_start(stat) == pytest.approx(age, abs=1)
