"""Limited stock in this process: its parts, wired together, and their life."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry

from flashbus.publisher import GroupCommitPublisher
from flashbus.topic import Entry
from flashops.owner import owner_name
from flashpay import Ledger
from flashstock.journal import Publish
from flashstock.journal_search import JournalSearch
from flashstock.pages import JournalEntry
from flashstock.reclaimer import Reclaimer
from flashstock.seller import Seller
from flashstock.sessions import MAX_SLOTS
from flashstock.stock import Stock
from order_api.limited_sale import LimitedSale
from order_api.order_ids import mentioned
from order_api.republishing import Republisher
from order_api.settings import SERVICE, Settings
from order_api.stock_levels import StockLevels
from order_api.stock_metrics import StockMetrics

# Journal pages on their way to the topic, as many as its batches in flight. A sync order keeps its page until it is
# settled, so each may need another one.
_QUEUE_SLOTS = 16

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selling:
    """What sells limited products here; without a stock table only the knowledge that nothing is limited."""

    levels: StockLevels
    sale: LimitedSale
    seller: Seller | None = None
    journals: JournalSearch | None = None
    reclaimer: Reclaimer | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Know what is left, sell it, and look after what dead sellers left; within the life of the publisher."""
        async with self.levels:
            if self.seller is None or self.journals is None or self.reclaimer is None:
                yield
                return
            async with self.journals, self.seller:
                watching = asyncio.create_task(_reclaim(self.reclaimer), name="reclaimer")
                try:
                    yield
                finally:
                    # Every step of it may be repeated by another one.
                    watching.cancel()
                    with suppress(asyncio.CancelledError):
                        await watching


def selling(
    settings: Settings,
    *,
    stock: Stock | None,
    ledger: Ledger,
    publisher: GroupCommitPublisher,
    registry: CollectorRegistry,
) -> Selling:
    """Wire what sells limited products, if there is a stock."""
    if stock is None:
        levels = StockLevels(source=None, refresh=settings.stock_refresh)
        return Selling(levels=levels, sale=LimitedSale(levels=levels))
    metrics = StockMetrics(registry)
    levels = StockLevels(
        source=stock.counters,
        refresh=settings.stock_refresh,
        on_refresh=metrics.levels,
        on_failure=metrics.refresh_failed,
    )
    publish_again = Republisher(ledger=ledger, stock=stock, publisher=publisher).publish_again
    # A name of this one process and no other: process ids and host names come again.
    owner = f"{owner_name(SERVICE)}:{secrets.token_hex(4)}"
    seller = Seller(
        stock=stock,
        publish_again=publish_again,
        owner=owner,
        lease=settings.stock_lease,
        slots=min(_QUEUE_SLOTS + settings.sync_limit, MAX_SLOTS),
        observer=metrics,
    )
    reclaimer = Reclaimer(
        stock=stock, publish_again=publish_again, owner=owner, lease=settings.stock_lease, observer=metrics
    )
    journals = JournalSearch(stock=stock, names=mentioned, timeout=settings.publish_timeout)
    sale = LimitedSale(
        levels=levels, seller=seller, limits=stock.limits, journals=journals, publish=_by_pages(publisher)
    )
    return Selling(levels=levels, sale=sale, seller=seller, journals=journals, reclaimer=reclaimer)


def _by_pages(publisher: GroupCommitPublisher) -> Publish:
    def publish(journaled: Sequence[JournalEntry], results: Sequence[asyncio.Future[None]]) -> None:
        publisher.submit([Entry(one.body, one.attributes) for one in journaled], results)

    return publish


async def _reclaim(reclaimer: Reclaimer) -> None:
    while True:
        try:
            await reclaimer.run(asyncio.Event())
        except Exception:
            # A bug of ours, or an item nobody thought of: selling goes on, and the next round may work.
            log.exception("stock_reclaimer_crashed")
            await asyncio.sleep(1)
