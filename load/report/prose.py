"""The report's sentences: the templates of prose.toml, a table for each question."""

import tomllib
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).with_name("prose.toml")


def say(name: str, **values: object) -> str:
    """The sentence of that name (`sync.lead`) with these values in their places."""
    question, _, sentence = name.partition(".")
    return templates()[question][sentence].format(**values)


@cache
def templates() -> dict[str, dict[str, str]]:
    """Every template, by its question and its own name."""
    found: dict[str, dict[str, str]] = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
    return found
