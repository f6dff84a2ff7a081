"""A service's Dockerfile: the instructions that decide what is in its image and what runs from it."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from cloudformation.delivery.artifact import PROJECT


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """The text of one, read as far as the tests ask."""

    text: str

    @property
    def install(self) -> list[str]:
        """The words of `pip install`."""
        (line,) = re.findall(r"^RUN .*(pip install .*?[^\\])$", self.text.replace("\\\n", " "), re.MULTILINE)
        return shlex.split(line)

    @property
    def cpus(self) -> dict[str, str]:
        """How wheels call the CPUs that buildx calls otherwise."""
        return dict(re.findall(r"(\w+)\) cpu=(\w+) ;;", self.text))

    @property
    def sources(self) -> list[Path]:
        """The folders of our packages."""
        return [PROJECT / source for source in re.findall(r"^COPY (\S+/src/) /app/$", self.text, re.MULTILINE)]

    @property
    def variables(self) -> dict[str, str]:
        """What `ENV` sets."""
        (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", self.text, re.MULTILINE)
        return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split())

    @property
    def command(self) -> list[str]:
        """The words of `CMD`."""
        (words,) = re.findall(r"^CMD \[(.*)\]$", self.text, re.MULTILINE)
        return [word.strip().strip('"') for word in words.split(",")]


def dockerfile(service: str) -> Dockerfile:
    """The one of this service."""
    return Dockerfile(text=(PROJECT / "services" / service / "Dockerfile").read_text(encoding="utf-8"))
