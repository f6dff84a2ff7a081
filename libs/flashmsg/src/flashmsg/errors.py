"""What can be wrong with a message. None of it is cured by trying again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One fault of a document: where it is and what it is.

    `loc` holds object keys and array indexes from the root; it is empty when the document as a whole is
    at fault. Both fields are safe to encode as UTF-8 and short, whatever the sender wrote.
    """

    loc: tuple[str | int, ...]
    message: str

    @property
    def pointer(self) -> str:
        """The place as a JSON Pointer (RFC 6901); the empty string is the whole document."""
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.loc)

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}" if self.loc else self.message


class FlashmsgError(Exception):
    """A message that this version cannot read.

    `reason` is one of a fixed few labels, fit for a metric; `errors` says what is wrong, field by field.
    """

    reason: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, errors: Iterable[FieldError] = ()) -> None:
        self.errors = tuple(errors)
        details = "; ".join(str(error) for error in self.errors)
        super().__init__(f"{message}: {details}" if details else message)


class MalformedMessageError(FlashmsgError):
    """Not a message of ours: broken JSON, a missing or wrong field, a foreign type."""

    reason = "malformed"


class UnsupportedVersionError(FlashmsgError):
    """A message of ours, but of a version that this code does not know."""

    reason = "unsupported_version"


class InvalidRequestError(MalformedMessageError):
    """A client's order request that breaks its contract; `errors` is never empty.

    `well_formed` tells a body that is sound JSON but no valid order from one that is not JSON, or not strict
    JSON (equal keys, NaN, a lone surrogate).
    """

    def __init__(self, message: str, *, errors: Iterable[FieldError], well_formed: bool) -> None:
        super().__init__(message, errors=errors)
        self.well_formed = well_formed
