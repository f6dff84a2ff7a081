"""How long the environment took from the start of its process until it could take a first event.

The emulator reports no `Init Duration`, and on AWS the figure counts the runtime's own start: both are asked the
same question here, of the operating system. An environment that was restored from a snapshot never went through that
start: its cold start is what it does itself after the restore, and AWS reports the rest as `Restore Duration`.
"""

import importlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_IMPORTED_AT = time.monotonic()
_START_TIME_FIELD = 19  # of what follows the command's closing bracket; field 22 of proc_pid_stat(5)
_RESTORE_HOOKS = "snapshot_restore_py"  # part of Lambda's own runtime, and of nothing else


def is_snapshot(environ: Mapping[str, str]) -> bool:
    """Whether Lambda takes a snapshot of this process and starts environments from it."""
    return environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def call_after_restore(restored: Callable[[], object]) -> None:
    """Have Lambda's runtime call `restored` in each environment that begins as a copy of this process."""
    try:
        hooks = importlib.import_module(_RESTORE_HOOKS)
    except ModuleNotFoundError:
        return
    hooks.register_after_restore(restored)


def seconds_since_process_start(stat: Path = Path("/proc/self/stat")) -> float:
    """Seconds since this process started; where /proc is missing (macOS), since this module was imported."""
    try:
        fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        started = int(fields[_START_TIME_FIELD]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _IMPORTED_AT
