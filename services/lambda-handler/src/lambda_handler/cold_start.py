"""How long the environment took from the start of its process until it could take a first event.

The emulator reports no `Init Duration`, and on AWS the figure counts the runtime's own start: both are asked the
same question here, of the operating system.
"""

import os
import time
from pathlib import Path

_IMPORTED_AT = time.monotonic()
_START_TIME_FIELD = 19  # of what follows the command's closing bracket; field 22 of proc_pid_stat(5)


def seconds_since_process_start(stat: Path = Path("/proc/self/stat")) -> float:
    """Seconds since this process started; where /proc is missing (macOS), since this module was imported."""
    try:
        fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        started = int(fields[_START_TIME_FIELD]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _IMPORTED_AT
