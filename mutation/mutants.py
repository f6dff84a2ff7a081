"""The mutants of a source file, and a sample of those of a package."""

import ast
import difflib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider

from mutation.operators import LEFT_ALONE, replacements


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of one file.

    `path` is relative to the project; `scope` is the dotted name of the function or class that holds the change, empty
    at the module's level; `before` and `after` are the lines that differ, without their indentation.
    """

    path: Path
    line: int
    scope: str
    before: str
    after: str
    source: str

    @property
    def place(self) -> str:
        """Where it is, as editors take it."""
        return f"{self.path.as_posix()}:{self.line}"

    @property
    def diff(self) -> str:
        """What was changed, with a minus before what was and a plus before what is."""
        removed = [f"- {line}" for line in self.before.splitlines()]
        return "\n".join(removed + [f"+ {line}" for line in self.after.splitlines()])


@dataclass(frozen=True, kw_only=True)
class Site:
    """A node that can be mutated. Every site counts once in a sample, whatever the number of its mutants."""

    path: Path
    line: int
    scope: str
    node: cst.CSTNode
    module: cst.Module

    def mutants(self) -> Iterator[Mutant]:
        """The mutants of this node that compile and are not the same program."""
        original = self.module.code
        for replacement in replacements(self.node):
            source = cst.ensure_type(self.module.deep_replace(self.node, replacement), cst.Module).code
            if _same_program(original, source):
                continue
            before, after = _changed_lines(original, source)
            yield Mutant(path=self.path, line=self.line, scope=self.scope, before=before, after=after, source=source)


def find_sites(path: Path, source: str) -> list[Site]:
    """The places of a file that can be mutated, in their order."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _SiteFinder(path, wrapper.module)
    wrapper.visit(finder)
    return finder.sites


def sample(sites: Iterable[Site], *, size: int, seed: str) -> list[Mutant]:
    """At most `size` mutants, no two of one site; the same seed and code give the same ones."""
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    candidates = list(sites)
    chance.shuffle(candidates)
    chosen: list[Mutant] = []
    for site in candidates:
        if len(chosen) == size:
            break
        if mutants := list(site.mutants()):
            chosen.append(chance.choice(mutants))
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.line))


class _SiteFinder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: Path, module: cst.Module) -> None:
        super().__init__()
        self.sites: list[Site] = []
        self._path = path
        self._module = module
        self._scope: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            self._scope.append(node.name.value)  # on_leave comes for what is left alone too
        if m.matches(node, LEFT_ALONE):
            return False
        position = self.get_metadata(PositionProvider, node, None)
        if isinstance(position, cst.metadata.CodeRange) and next(replacements(node), None) is not None:
            self.sites.append(
                Site(
                    path=self._path,
                    line=position.start.line,
                    scope=".".join(self._scope),
                    node=node,
                    module=self._module,
                )
            )
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, (cst.FunctionDef, cst.ClassDef)):
            self._scope.pop()


def _same_program(original: str, source: str) -> bool:
    """Whether nothing was changed that Python sees; a program that does not compile is none."""
    try:
        return ast.dump(ast.parse(source)) == ast.dump(ast.parse(original))
    except SyntaxError:
        return True


def _changed_lines(original: str, source: str) -> tuple[str, str]:
    old, new = original.splitlines(), source.splitlines()
    removed: list[str] = []
    added: list[str] = []
    for kind, start, end, new_start, new_end in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind != "equal":
            removed += old[start:end]
            added += new[new_start:new_end]
    return _stripped(removed), _stripped(added)


def _stripped(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines)
