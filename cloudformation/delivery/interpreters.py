"""Finds the Python interpreters that can compile bytecode for a target."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def find_interpreter(version: str) -> Path | None:
    """An interpreter of that minor version (`3.13`), or None: this one, on PATH, or kept by uv or pyenv."""
    return next((found for found in _candidates(version) if _is_version(found, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield Path(on_path)
    for kept in (Path.home() / ".local" / "share" / "uv" / "python", Path.home() / ".pyenv" / "versions"):
        yield from sorted(kept.glob(f"*{version}*/bin/python{version}"))


def _is_version(interpreter: Path, version: str) -> bool:
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(  # noqa: S603 - an interpreter found above
            [interpreter, "-c", question], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version
