"""docs/deploy.md as its commands: what of it a shell reads."""

import re
import shlex
from collections.abc import Iterator

from cloudformation.delivery.artifact import PROJECT

GUIDE = PROJECT / "docs" / "deploy.md"
Words = list[str]


def blocks(part: str | None = None) -> list[str]:
    """The shell's blocks of a part of the guide, or of all of it."""
    text = GUIDE.read_text(encoding="utf-8") if part is None else part
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def parts() -> tuple[str, str]:
    """The numbered steps, and what else may be done with a stack that runs."""
    steps, _, rest = GUIDE.read_text(encoding="utf-8").partition("\n## A sale\n")
    return steps, rest


def steps() -> list[str]:
    """What a shell reads of each numbered step, in their order."""
    _, *numbered = re.split(r"^## \d+\. ", parts()[0], flags=re.MULTILINE)
    return ["".join(blocks(step)) for step in numbered]


def commands(part: str) -> Iterator[Words]:
    """Every command in its order, as a shell splits it; without comments, and of a pipe the first."""
    for block in blocks(part):
        begun = ""
        for line in block.replace("\\\n", " ").splitlines():
            begun += line
            try:
                words = shlex.split(begun, comments=True)
            except ValueError:  # a quotation goes on in the next line
                begun += "\n"
                continue
            begun = ""
            if words and words[0] in {"aws", "curl", "make", "python"}:
                yield words[: words.index("|")] if "|" in words else words
