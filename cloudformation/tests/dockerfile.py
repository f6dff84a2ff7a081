"""The Dockerfile, read for one service: the instructions that decide what is in its image and what runs from it."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from cloudformation.delivery.artifact import PROJECT

DOCKERFILE = PROJECT / "services" / "Dockerfile"
DOCKERIGNORE = DOCKERFILE.with_name("Dockerfile.dockerignore")


@dataclass(frozen=True, kw_only=True)
class Image:
    """Its stages, read as far as the tests ask.

    Attributes:
        build: The stage that is not shipped.
        shipped: The stages that are, from the last to the one on a base image.
    """

    build: str
    shipped: list[str]

    @property
    def install(self) -> list[str]:
        """The words of `pip install`."""
        (line,) = re.findall(r"^RUN .*(pip install .*?[^\\])$", self.build.replace("\\\n", " "), re.MULTILINE)
        return shlex.split(line)

    @property
    def cpus(self) -> dict[str, str]:
        """How wheels call the CPUs that buildx calls otherwise."""
        return dict(re.findall(r"(\w+)\) cpu=(\w+) ;;", self.build))

    @property
    def sources(self) -> list[Path]:
        """The folders of our packages."""
        return [PROJECT / source for source in re.findall(r"^COPY (\S+/src/) /app/$", self.build, re.MULTILINE)]

    @property
    def variables(self) -> dict[str, str]:
        """What `ENV` sets; a later stage may set it anew."""
        blocks = [block for stage in reversed(self.shipped) for block in _instructions("ENV", stage)]
        return dict(pair.split("=", 1) for block in blocks for pair in block.split())

    @property
    def command(self) -> list[str]:
        """The words of `CMD`."""
        (words,) = self.instructions("CMD")
        return [word.strip().strip('"') for word in words.removeprefix("[").removesuffix("]").split(",")]

    def instructions(self, name: str) -> list[str]:
        """What stands behind each instruction of this name in what is shipped."""
        return [words for stage in self.shipped for words in _instructions(name, stage)]


def image(service: str) -> Image:
    """What `--build-arg SERVICE=…` builds."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("${SERVICE}", service)
    *stages, last = re.findall(r"^FROM (?:.(?!^FROM ))*", text, re.MULTILINE | re.DOTALL)
    named = {stage.partition("\n")[0].rpartition(" AS ")[2]: stage for stage in stages}
    shipped = [last]
    while (base := shipped[-1].split(maxsplit=2)[1]) in named:
        shipped.append(named[base])
    return Image(build=named["build"], shipped=shipped)


def _instructions(name: str, stage: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", stage.replace("\\\n", " "), re.MULTILINE)
