"""Renew the snapshot of the whole template: `python -m cloudformation.snapshot`, then read `git diff`."""

import json
import sys
from pathlib import Path

from cloudformation.build import build_template

SNAPSHOT = Path(__file__).resolve().parent / "tests" / "whole.snapshot.json"


def main() -> int:
    """Write every resource out, one property a line, so that a difference can be read."""
    text = json.dumps(build_template("all").to_dict(), indent=1, sort_keys=True) + "\n"
    changed = not SNAPSHOT.exists() or SNAPSHOT.read_text(encoding="utf-8") != text
    SNAPSHOT.write_text(text, encoding="utf-8")
    sys.stdout.write("renewed: read its difference before committing it\n" if changed else "unchanged\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
