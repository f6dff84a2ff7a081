"""An experiment's folder: what it is to run, so that it can be gone on with and read without its command line."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from load.scenario import Data, ScenarioError, ScenarioFile, first_error

OUTLINE = "experiment.json"
Kind = Literal["demo", "lab"]


class Outline(Data):
    """What an experiment is to run; written before its first run."""

    kind: Kind
    file: ScenarioFile


def make_folder(folder: Path, *, is_new: bool = False) -> None:
    """Make a folder for a report. Raises ScenarioError, and FileExistsError where it must be a new one."""
    try:
        folder.mkdir(parents=True, exist_ok=not is_new)
    except OSError as exc:
        if is_new and folder.exists():
            raise
        raise ScenarioError(f"{folder}: {exc.strerror}") from exc


def write_outline(folder: Path, outline: Outline) -> None:
    """Write it down."""
    (folder / OUTLINE).write_text(outline.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_outline(folder: Path) -> Outline | None:
    """What the experiment in `folder` is to run; None when an earlier version began it. Raises ScenarioError."""
    path = folder / OUTLINE
    if not path.exists():
        return None
    try:
        return Outline.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise ScenarioError(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise ScenarioError(f"{path}: {first_error(exc)}") from exc
