"""The command line of the steps: what may be asked for."""

import argparse
from collections.abc import Iterable, Sequence

from cloudformation.delivery.operations import FUNCTION, SERVICES

PLATFORMS = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}
# The steps that a parameter means something to; to any other it would be a wish that nobody hears.
PARAMETRISED = ("preflight", "images", "changes", "deploy")


def parse(arguments: Sequence[str] | None, *, steps: Iterable[str]) -> argparse.Namespace:
    """What is asked for; a call that makes no sense ends here, with a sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation.delivery", description="Images and stack.")
    parser.add_argument("step", choices=list(steps))
    parser.add_argument(
        "--environment",
        type=_said,
        metavar="NAME",
        help="stack and parameters of cloudformation/environments/NAME.toml",
    )
    parser.add_argument("--stack", type=_said, help="name of the stack (the environment's, or flash-sale)")
    parser.add_argument("--tag", type=_said, help="tag of the images (images, push, scan: the git revision)")
    parser.add_argument("--architecture", choices=PLATFORMS, help="CPU of tasks and function (images: arm64)")
    parser.add_argument("--s3-bucket", type=_said, metavar="NAME", help="deploy: a bucket of your own on the way")
    parser.add_argument("--service", choices=(*SERVICES, FUNCTION), default="", help="logs: of this one alone")
    parser.add_argument("--filter", default="", metavar="PATTERN", help="logs: only lines that match")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run none")
    parser.add_argument("--yes", action="store_true", help="destroy without asking")
    parser.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help=f"parameters of the stack ({', '.join(PARAMETRISED)})"
    )
    options = parser.parse_intermixed_args(arguments)
    if wrong := [pair for pair in options.parameters if "=" not in pair]:
        parser.error(f"not NAME=VALUE: {' '.join(wrong)}")
    if options.parameters and options.step not in PARAMETRISED:
        parser.error(f"{options.step} sets no parameters: deploy {' '.join(options.parameters)} first, or leave it out")
    return options


def _said(value: str) -> str:
    # As from an unset variable of a shell, which must not mean another stack than the one in mind.
    if not value:
        raise argparse.ArgumentTypeError("is empty: name one, or leave it out")
    return value
