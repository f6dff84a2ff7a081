"""The template as text, and the command line that writes it."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from troposphere import Template

from cloudformation.loops import fold

Part = Literal["all", "pipeline"]
Form = Literal["json", "yaml"]
# What a template may weigh inline; above it CloudFormation wants an S3 bucket.
INLINE_LIMIT_BYTES = 51_200
WARN_ABOVE_BYTES = 50_900


def render(template: Template, *, form: Form = "json") -> str:
    """The template as compact sorted JSON or as YAML; the same template gives the same bytes.

    JSON that would be too large to be passed inline is written with its alike resources as loops.
    """
    if form == "yaml":
        return str(template.to_yaml(clean_up=True, long_form=True))
    plain = template.to_dict()
    text = compact_json(plain)
    return compact_json(fold(plain)) if len(text.encode()) > INLINE_LIMIT_BYTES else text


def compact_json(document: Mapping[str, Any]) -> str:
    """JSON without spaces, sorted by key."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n"


def main(arguments: Sequence[str] | None = None, *, build: Callable[[Part], Template]) -> int:
    """Write the template to standard output or to a file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation.build", description="Print the template.")
    parser.add_argument("--part", choices=("all", "pipeline"), default="all", help="the whole stack, or the pipeline")
    parser.add_argument("--format", choices=("json", "yaml"), default="json", help="json is compact and sorted")
    parser.add_argument("-o", "--output", type=Path, help="write to FILE instead of standard output", metavar="FILE")
    options = parser.parse_args(arguments)
    text = render(build(options.part), form=options.format)
    size = len(text.encode())
    if size > WARN_ABOVE_BYTES:
        sys.stderr.write(
            f"warning: the template is {size} bytes; above {INLINE_LIMIT_BYTES} `aws cloudformation deploy` needs "
            "--s3-bucket\n"
        )
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text, encoding="utf-8")
    return 0
