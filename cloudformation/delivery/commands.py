"""Commands of other tools: run one after the other from the project's root, or only shown."""

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cloudformation.delivery.artifact import PROJECT

CLEANING_SECONDS = 10


class CommandFailedError(Exception):
    """A command did not succeed; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line; `fed_by` is one whose output it reads."""

    words: tuple[str, ...]
    fed_by: "Command | None" = None

    def __str__(self) -> str:
        line = shlex.join(self.words)
        return line if self.fed_by is None else f"{self.fed_by} | {line}"


def command(*words: str, fed_by: Command | None = None) -> Command:
    """A command of these words."""
    return Command(words=words, fed_by=fed_by)


def carry_out(commands: Sequence[Command], *, dry_run: bool) -> None:
    """Run the commands in turn, or print them.

    Raises:
        CommandFailedError: One of them failed or is not installed; the rest is not run.
    """
    for each in commands:
        sys.stdout.write(f"{each}\n" if dry_run else f"+ {each}\n")
        sys.stdout.flush()
        if not dry_run:
            _run(each)


def output_of(asked: Command) -> str:
    """What a command prints; raises CommandFailedError."""
    return _run(asked, capture=True)


def _run(each: Command, *, capture: bool = False) -> str:
    fed = None if each.fed_by is None else _run(each.fed_by, capture=True)
    try:
        process = subprocess.Popen(  # noqa: S603  # words we put together ourselves, no shell
            each.words,
            stdin=None if fed is None else subprocess.PIPE,
            stdout=subprocess.PIPE if capture else None,
            text=True,
            cwd=PROJECT,
        )
    except FileNotFoundError:
        raise CommandFailedError(f"{each.words[0]} is not installed") from None
    printed = _answer(process, fed)
    if process.returncode != 0:
        raise CommandFailedError(f"{each} failed with exit code {process.returncode}")
    return printed or ""


def _answer(process: "subprocess.Popen[str]", fed: str | None) -> str | None:
    """What the process prints, once it has read `fed`; of an interruption it may clean up behind itself."""
    with process:
        try:
            return process.communicate(fed)[0]
        except KeyboardInterrupt:
            # The terminal interrupts both. Only who interrupts us alone has to be waited for no longer.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(CLEANING_SECONDS)
            process.terminate()
            raise
