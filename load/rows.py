"""Tidy CSV files, one dataclass per row. What is wrong with one is said with its line and its column."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from load.scenario import ScenarioError, first_error

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
# Whatever is counted or measured: neither less than nothing, nor NaN, nor endless.
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RecordsError(ScenarioError):
    """Records that cannot be read; the message names the file, and the line."""


def write_rows(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write a file with the kind's fields as its columns."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(kind)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read what write_rows() wrote; a column that has a default may be missing. Raises RecordsError."""
    adapter = TypeAdapter(kind)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            _ensure_columns(path, kind, reader.fieldnames or [])
            return [_row(adapter, cells, f"{path}, line {reader.line_num}") for cells in reader]
    except OSError as exc:
        raise RecordsError(f"{path}: {exc.strerror}") from exc
    except (UnicodeDecodeError, csv.Error) as exc:
        raise RecordsError(f"{path}: {exc}") from exc


def _ensure_columns(path: Path, kind: type[Row], columns: Sequence[str]) -> None:
    names = {one.name: one.default is MISSING for one in fields(kind)}
    if missing := [name for name, is_needed in names.items() if is_needed and name not in columns]:
        raise RecordsError(f"{path}: there is no column {', '.join(missing)}")
    if unknown := [repr(name) for name in columns if name not in names]:
        raise RecordsError(f"{path}: unknown column {', '.join(unknown)}")


def _row(adapter: TypeAdapter[Row], cells: dict[str | None, str | None], place: str) -> Row:
    if None in cells or None in cells.values():
        raise RecordsError(f"{place}: {'more' if None in cells else 'fewer'} cells than columns")
    try:
        return adapter.validate_python(cells)
    except ValidationError as exc:
        raise RecordsError(f"{place}: {first_error(exc)}") from exc
