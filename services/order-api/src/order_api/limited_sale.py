"""The sale of limited products: what of an order is limited, and whose its units are until it is handed on."""

import json
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeAlias

import structlog

from flashbus.topic import Entry
from flashmsg import Order, Reservation
from flashstock.errors import LimitReachedError, SoldOutError, StockUnavailableError
from flashstock.hold import Hold
from flashstock.journal import Publish
from flashstock.journal_search import JournalSearch
from flashstock.levels import StockLevel
from flashstock.limits import Limits
from flashstock.seller import Seller
from order_api.retry_after import Outage
from order_api.stock_levels import StockLevels

CUSTOMER_LIMITS = "customer_limits"
"""The attribute of a journal entry with the limits that were in force at its intake; the topic does not get it."""

Wanted: TypeAlias = Sequence[tuple[StockLevel, int]]
"""The limited products of one order, and how many units of each."""

log = structlog.get_logger()


class ReservedUnits:
    """The limited units of one order, from the reservation until somebody else looks after them.

    Of an order without limited products it holds nothing, and every step is over at once. Used as an async context
    manager: left before the order is journaled, the units are free again; left without an end after that, the
    journal publishes the order.
    """

    __slots__ = ("_counted", "_customer_limits", "_hold", "_limits", "_message", "_publish")

    def __init__(
        self,
        hold: Hold | None = None,
        *,
        customer_limits: Mapping[str, int] = {},
        limits: Limits | None = None,
        publish: Publish | None = None,
    ) -> None:
        """Take over a hold.

        Args:
            hold: What was reserved; None for nothing.
            customer_limits: The most that one customer may buy, of each product that has such a limit.
            limits: Where purchases are counted.
            publish: Publishes what is journaled.
        """
        self._hold = hold
        self._publish = publish
        self._customer_limits = customer_limits
        self._limits = limits
        self._message: Entry | None = None
        self._counted: Sequence[str] = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if (hold := self._held()) is None:
            return
        if hold.is_journaled:
            hold.doubt()
        else:
            await hold.withdraw()

    @property
    def reservation(self) -> Reservation | None:
        """What the order's message carries, while the units are held here; None where nothing is."""
        return None if (hold := self._held()) is None else hold.reservation

    @property
    def are_counted(self) -> bool:
        """Whether the customer may not buy any number of them."""
        return bool(self._customer_limits)

    @property
    def message(self) -> Entry | None:
        """The message as it is journaled: what the topic gets is the same."""
        return self._message

    async def journal(self, entry: Entry) -> None:
        """Write the message into the journal: from now on it is published, whatever becomes of this process.

        Raises:
            StockUnavailableError: Then nothing is held any more. It may still be published if that is not `certain`.
        """
        if (hold := self._held()) is None:
            return
        attributes = entry.attributes
        if self._customer_limits:
            attributes = {**attributes, CUSTOMER_LIMITS: json.dumps(self._customer_limits)}
        await hold.commit(entry.message, attributes)
        self._message = entry

    def journal_and_publish(self, entry: Entry) -> Awaitable[None]:
        """`journal`, publish and `handed_on`, with one wait for all: for orders that nothing is done with in between.

        Raises:
            StockUnavailableError: As `journal`.
            PublishError: As the publisher. The order is journaled then.
        """
        assert self._hold is not None and self._publish is not None  # noqa: S101, PT018 - asked only for what is limited
        assert not self.are_counted  # noqa: S101 - that is done in between
        return self._hold.commit_and_publish(entry.message, entry.attributes, self._publish)

    async def count(self, order: Order) -> None:
        """Count the order against what its customer may buy; see `count_purchase`."""
        assert self._limits is not None  # noqa: S101 - who limits customers counts
        await count_purchase(self._limits, order, self._customer_limits)
        self._counted = list(self._customer_limits)

    def handed_on(self) -> None:
        """The topic has the order, or its settlement has ended the reservation."""
        if (hold := self._held()) is not None:
            hold.published()

    async def withdraw(self, order: Order) -> bool:
        """Free the units of an order that is not published; whether it is certain that it never will be.

        If its count cannot be taken off, they stay here: left without an end, the journal publishes the order.
        """
        if (hold := self._held()) is None:
            return True
        try:
            # Before it is withdrawn: should this process die in between, whoever places the order counts it again.
            await self._uncount(order)
            await hold.withdraw()
        except StockUnavailableError as exc:
            log.warning("reservation_not_withdrawn", order_id=order.order_id, error=str(exc))
            return False
        return True

    async def _uncount(self, order: Order) -> None:
        for product_id in self._counted:
            assert self._limits is not None  # noqa: S101 - it has counted
            await self._limits.release(product_id, customer_id=order.customer_id, order_id=order.order_id)

    def _held(self) -> Hold | None:
        return None if self._hold is None or self._hold.is_over else self._hold


NOTHING_RESERVED = ReservedUnits()
"""Of every order without limited products: no step changes it."""


class LimitedSale:
    """Reserves units of limited products.

    Args:
        levels: Which products are limited.
        seller: Sells them; None where nothing is limited.
        limits: Where purchases are counted; None likewise.
        journals: Where orders are that nobody else knows of yet; None likewise.
        publish: Publishes the orders of a page of the journal; None likewise.
    """

    def __init__(
        self,
        *,
        levels: StockLevels,
        seller: Seller | None = None,
        limits: Limits | None = None,
        journals: JournalSearch | None = None,
        publish: Publish | None = None,
    ) -> None:
        self._levels = levels
        self._seller = seller
        self._limits = limits
        self._journals = journals
        self._publish = publish
        self._outage = Outage()

    @property
    def outage(self) -> timedelta:
        """How long no reservation has got an answer."""
        return self._outage.lasting

    def limited(self, order: Order) -> Wanted:
        """What of an order is limited; looked up in memory.

        Raises:
            StockNotLoadedError: It is not known yet what is limited.
        """
        levels = self._levels.levels
        return [(levels[item.product_id], item.quantity) for item in order.items if item.product_id in levels]

    def reserve_at_once(self, wanted: Wanted) -> ReservedUnits | None:
        """Reserve these units of an order, if they are leased; None if that takes more, for `reserve` to find out.

        Raises:
            LimitReachedError: As `reserve`.
        """
        assert self._seller is not None  # noqa: S101 - who has no seller knows no limited products
        units, customer_limits = _within_limits(wanted)
        if (hold := self._seller.reserve_at_once(units)) is None:
            return None
        return self._reserved(hold, customer_limits)

    async def reserve(self, wanted: Wanted) -> ReservedUnits:
        """Reserve these units of an order, all or none.

        Raises:
            LimitReachedError: The order alone has more than one customer may buy.
            SoldOutError: Fewer are left.
            StockUnavailableError: It cannot be found out. Nothing is reserved.
        """
        assert self._seller is not None  # noqa: S101 - who has no seller knows no limited products
        units, customer_limits = _within_limits(wanted)
        try:
            hold = await self._seller.reserve(units)
        except StockUnavailableError:
            self._outage.failed()
            raise
        except SoldOutError:
            self._outage.ended()
            raise
        return self._reserved(hold, customer_limits)

    def _reserved(self, hold: Hold, customer_limits: Mapping[str, int]) -> ReservedUnits:
        self._outage.ended()
        return ReservedUnits(hold, customer_limits=customer_limits, limits=self._limits, publish=self._publish)

    @property
    def journals(self) -> JournalSearch:
        """Where an order is that nobody else knows of yet, of this process or another."""
        assert self._journals is not None  # noqa: S101 - as above
        return self._journals


def _within_limits(wanted: Wanted) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """The units by product, and the customer limits there are."""
    units, limits = {}, {}
    for level, quantity in wanted:
        units[level.product_id] = quantity
        if (limit := level.customer_limit) is not None:
            if quantity > limit:
                raise LimitReachedError(level.product_id, limit=limit)
            limits[level.product_id] = limit
    return units, limits


async def count_purchase(limits: Limits, order: Order, customer_limits: Mapping[str, int]) -> None:
    """Count the units of an order against the limits of its customer, all or none; asked again, nothing more.

    Raises:
        LimitReachedError: The customer would have more of a product than allowed.
        StockUnavailableError: It is not known what was counted.
    """
    units = {item.product_id: item.quantity for item in order.items}
    await limits.take(units, customer_id=order.customer_id, order_id=order.order_id, limits=customer_limits)
