"""Reads scenario files. What is wrong with one is said with its line, its scenario and its field."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from load.scenario import ScenarioError, ScenarioFile

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
HEADER = "[[scenarios]]"
TABLES = {"defaults": dict, "quick": dict, "scenarios": list}


def load_scenarios(path: Path, *, quick: bool = False) -> ScenarioFile:
    """Read a scenario file.

    `[defaults]` fills what a `[[scenarios]]` leaves out. With `quick`, `[quick]` and then the scenario's own `quick`
    table are laid over it, phases last `phase_scale` of their time, and the scenario keeps what it stands for.
    Raises ScenarioError.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ScenarioError(f"{path}: {exc}") from exc
    for key, kind in TABLES.items():
        if not isinstance(content.setdefault(key, kind()), kind):
            raise ScenarioError(f"{path}: {key}: must be a {'table' if kind is dict else 'list of tables'}")
    defaults = {"seed": content.get("seed", 1)} | content.pop("defaults")
    scaling = content.pop("quick")
    try:
        content["scenarios"] = [
            _scenario(defaults, one, scaling if quick else None, place=("scenarios", number))
            for number, one in enumerate(content["scenarios"])
        ]
        return ScenarioFile.model_validate(content)
    except _WrongFieldError as exc:
        raise ScenarioError(f"{path}{_place(text, content, exc.place)}: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        raise ScenarioError(f"{path}{_place(text, content, first['loc'])}: {first['msg']}") from exc


class _WrongFieldError(Exception):
    """A field of the file is of the wrong kind."""

    def __init__(self, place: Sequence[int | str], message: str) -> None:
        super().__init__(message)
        self.place = place


def _scenario(
    defaults: Mapping[str, Any], one: object, scaling: Mapping[str, Any] | None, *, place: tuple[int | str, ...]
) -> object:
    if not isinstance(one, dict):
        return one
    full: dict[str, Any] = {**defaults, **one}
    own = full.pop("quick", {})
    if not isinstance(own, dict):
        raise _WrongFieldError((*place, "quick"), "must be a table of what is different with --quick")
    if scaling is None:
        return full
    short: dict[str, Any] = full | {key: value for key, value in scaling.items() if key != "phase_scale"} | own
    if "phases" not in own and isinstance(full.get("phases"), list):
        short["phases"] = [_scaled(phase, scaling.get("phase_scale", 1.0)) for phase in full["phases"]]
    if short.get("payment_seconds") != full.get("payment_seconds"):
        short.setdefault("stands_for_payment_seconds", full.get("payment_seconds"))
    if "workers" in own:
        short.setdefault("stands_for_workers", full.get("workers"))
    return short if short == full else short | {"stands_for": full}


def _scaled(phase: object, scale: object) -> object:
    """A shorter phase; what is no phase stays as it is, and is refused with its line."""
    if not isinstance(scale, int | float) or isinstance(scale, bool) or scale <= 0:
        raise _WrongFieldError(("quick", "phase_scale"), "must be a number above 0")
    if not isinstance(phase, dict) or not isinstance(phase.get("seconds"), int | float):
        return phase
    return phase | {"seconds": phase["seconds"] * scale}


def _place(text: str, content: Mapping[str, Any], place: Sequence[int | str]) -> str:
    """`, line 12: ecs:20: workers`, as far as it can be found."""
    match list(place):
        case ["scenarios", int(number), *within]:
            # Of the scenario without --quick, which is what the file says.
            rest = [part for part in within if part != "stands_for"]
            scenarios = content["scenarios"]
            entry = scenarios[number] if number < len(scenarios) else None
            name = entry.get("name", f"scenario {number + 1}") if isinstance(entry, dict) else f"scenario {number + 1}"
            return ": ".join([_line(text, number, rest), str(name), *_field(rest)])
        case rest:
            return ": ".join(["", *_field(rest)]) if rest else ""


def _field(rest: Sequence[int | str]) -> list[str]:
    return [".".join(str(part) for part in rest)] if rest else []


def _line(text: str, number: int, rest: Sequence[int | str]) -> str:
    """The line of the field in the n-th scenario, or of the scenario's beginning where the field is not written."""
    lines = text.splitlines()
    begins = [index for index, line in enumerate(lines) if line.strip().startswith(HEADER)]
    if number >= len(begins):
        return ""
    first = begins[number]
    last = begins[number + 1] if number + 1 < len(begins) else len(lines)
    field = str(rest[0]) if rest else ""
    for index in range(first, last):
        if field and lines[index].partition("=")[0].strip().partition(".")[0] == field:
            return f", line {index + 1}"
    return f", line {first + 1}"
