"""The units of limited products that an order has had taken for it at its intake."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from flashmsg.orders import MAX_LINES, ProductId, Quantity
from flashmsg.sound_parts import made_of_sound_parts

ReservationId = Annotated[str, Field(pattern=r"^rsv_[a-z2-7]{20,80}$")]
Units = Annotated[Mapping[ProductId, Quantity], Field(min_length=1, max_length=MAX_LINES)]


class Reservation(BaseModel):
    """Units taken for one attempt at an order; whoever ends the order ends this reservation, once.

    The id is not the order's: a repeated request is the same order, and may have reserved a second time.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: ReservationId
    units: Units

    @classmethod
    def of_sound_parts(cls, *, id: str, units: Mapping[str, int]) -> Self:  # noqa: A002 - as the field
        """Return `Reservation(…)` of a new id and units of a checked order."""
        return made_of_sound_parts(cls, id=id, units=units)
