"""The function's code on the laptop: unpacked once, and started by as many environments at once as there are cores.

Left to itself the embedded AWS unpacks the zip for each environment, 1,300 files, and starts all at once: a hundred
customers, and for minutes it answered nobody else (decision 80).
"""

import tempfile
import zipfile
from pathlib import Path

# What the embedded AWS imports first, for a purpose of its own, and what it imports for the function.
_FIRST_IMPORTED = ("botocore", "lambda_handler")
_STANDING_IN = '''"""Stands in for the package of this name, which lies with all others in the shared folder."""

import fcntl
import importlib
import os
import sys

SHARED = {code!r}
sys.path.insert(0, SHARED)
del sys.modules[__name__]
with open(os.path.join(SHARED, ".turn-%d" % (os.getpid() % os.cpu_count())), "w") as turn:
    fcntl.flock(turn, fcntl.LOCK_EX)
    importlib.import_module("lambda_handler.main")
importlib.import_module(__name__)
'''


def shared_code(artifact: Path, folder: Path) -> Path:
    """A zip that does as `artifact` does, whose code is unpacked below `folder` and must stay there."""
    standing_in = folder / artifact.name
    if not standing_in.exists():
        # An environment starts in a folder of its own, so that the path must hold from everywhere.
        code = Path(tempfile.mkdtemp(prefix="function-code-", dir=folder.resolve()))
        with zipfile.ZipFile(artifact) as whole:
            whole.extractall(code)
        written = code.with_suffix(".zip")
        with zipfile.ZipFile(written, "w") as archive:
            for package in _FIRST_IMPORTED:
                archive.writestr(f"{package}/__init__.py", _STANDING_IN.format(code=str(code)))
        # Renamed in one step: another shop of this embedded AWS may be doing the same.
        written.rename(standing_in)
    return standing_in
