"""Environments: a file says which stack it is and what is different in it.

A deployment of an environment sets every parameter, those that the file does not name to the template's default: what a
stack is stands in its file, and not in what somebody once typed.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloudformation.build import build_template
from cloudformation.delivery.artifact import PROJECT
from cloudformation.delivery.given_parameters import RefusedError

FOLDER = PROJECT / "cloudformation" / "environments"
# What a release brings, which is no trait of an environment: it stays as it is until another is given.
RELEASED = ("ArtifactBucket", "ArtifactKey", "ImageTag")


class EnvironmentFileError(RefusedError):
    """An environment cannot be used; the message names the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The stack's name, and every parameter but what a release brings."""

    stack: str
    parameters: Mapping[str, str]


def load_environment(name: str) -> Environment:
    """Read `cloudformation/environments/NAME.toml`, or the file of that path.

    Raises:
        EnvironmentFileError: There is none, or it says what the template does not ask for.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = ", ".join(sorted(file.stem for file in FOLDER.glob("*.toml")))
        raise EnvironmentFileError(f"there is no {path}: choose one of {there}, or write it") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise EnvironmentFileError(f"{path}: {exc}") from exc
    stack, given = document.pop("stack", None), document.pop("parameters", {})
    if not isinstance(stack, str) or not isinstance(given, dict):
        raise EnvironmentFileError(f'{path}: needs stack = "NAME", and may have a table [parameters]')
    asked = {title: str(parameter.Default) for title, parameter in build_template("all").parameters.items()}
    if unknown := sorted({*document, *(given.keys() - asked.keys() | given.keys() & set(RELEASED))}):
        raise EnvironmentFileError(f"{path}: says {', '.join(unknown)}, which an environment has not")
    defaults = {title: value for title, value in asked.items() if title not in RELEASED}
    return Environment(stack=stack, parameters=defaults | {title: _text(value) for title, value in given.items()})


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
