"""The template as text, and the command line that writes it."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from troposphere import Template

Part = Literal["all", "pipeline"]
Form = Literal["json", "yaml"]
# As a shell says it of a command that SIGPIPE ended.
BROKEN_PIPE = 141


def render(template: Template, *, form: Form = "json") -> str:
    """The template as sorted JSON or as YAML, a property a line; the same template gives the same bytes."""
    if form == "yaml":
        return str(template.to_yaml(clean_up=True, long_form=True))
    return json.dumps(template.to_dict(), sort_keys=True, indent=1) + "\n"


def main(arguments: Sequence[str] | None = None, *, build: Callable[[Part], Template]) -> int:
    """Write the template to standard output or to a file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation.build", description="Print the template.")
    parser.add_argument("--part", choices=("all", "pipeline"), default="all", help="the whole stack, or the pipeline")
    parser.add_argument("--format", choices=("json", "yaml"), default="json", help="json is sorted")
    parser.add_argument("-o", "--output", type=Path, help="write to FILE instead of standard output", metavar="FILE")
    options = parser.parse_args(arguments)
    text = render(build(options.part), form=options.format)
    if options.output is None:
        return _print(text)
    try:
        options.output.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"{options.output} could not be written: {error.strerror}\n")
        return 1
    return 0


def _print(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough. Python would say so once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return 0
