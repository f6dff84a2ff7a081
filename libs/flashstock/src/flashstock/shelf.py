"""One product's leased units in the memory of one selling session."""

import asyncio
from collections.abc import Callable

from flashstock.demand import Demand
from flashstock.errors import SessionClosedError, SoldOutError, StockUnavailableError
from flashstock.leases import NOTHING, Leases, TooFewLeft
from flashstock.levels import Product
from flashstock.observer import StockObserver

# For how long the answer that too few are left is believed: what others return meanwhile waits that long.
_BELIEVED_SECONDS = 0.25
# Every lost round means that others took units at this very moment.
_ROUNDS = 8


class Shelf:
    """Sells from memory, and leases more when that runs out: one request at a time, whoever waits.

    Args:
        leases: Where units are leased from.
        product_id: Which product.
        session_id: For which session.
        on_closed: Called when the session turns out to be closed.
        observer: Told of the counters.
    """

    def __init__(
        self,
        *,
        leases: Leases,
        product_id: str,
        session_id: str,
        on_closed: Callable[[], object],
        observer: StockObserver,
    ) -> None:
        self._leases = leases
        self._product_id = product_id
        self._session_id = session_id
        self._on_closed = on_closed
        self._observer = observer
        self._demand = Demand()
        self._product: Product | None = None
        self._lease = NOTHING
        self._taken = 0
        # Set aside for a return that may or may not have arrived: neither for sale nor known to be gone.
        self._returning = 0
        self._in_doubt = False
        self._changing = asyncio.Lock()
        self._refill: asyncio.Task[None] | None = None
        self._waiting_units = 0
        self._believed_until = 0.0

    @property
    def free(self) -> int:
        """Units that can be taken at once."""
        return self._lease.units - self._taken - self._returning

    def take_at_once(self, units: int) -> bool:
        """Take units off the lease if there are enough of them; whether there were."""
        if self.free < units:
            return False
        self._taken += units
        self._demand.count(units)
        return True

    async def take(self, units: int) -> None:
        """Take units off the lease as soon as there are enough of them.

        Raises:
            SoldOutError: Fewer are left.
            StockUnavailableError: It cannot be found out.
        """
        while not self.take_at_once(units):
            if self._is_sold_out(units):
                raise SoldOutError(self._product_id)
            await self._refilled(units)

    def put_back(self, units: int) -> None:
        """Units that were taken and not journaled are free again."""
        self._taken -= units

    def untake(self, units: int) -> None:
        """As `put_back`, for an order that is refused for another of its products: it is no demand for this one.

        A crowd that is refused would else keep units here that are asked for elsewhere.
        """
        self.put_back(units)
        self._demand.count_back(units)

    async def return_idle(self) -> None:
        """Give back what the next interval will hardly need, so that other sessions can sell it."""
        idle = self.free - self._demand.units
        self._demand.next_interval()
        if idle <= 0 and not self._in_doubt:
            return
        async with self._changing:
            await self._end_doubt()
            self._returning = max(0, min(idle, self.free))
            if self._returning:
                await self._change(-self._returning)

    async def end_doubt(self) -> None:
        """Find out what became of a request without an answer; only while the session is open."""
        async with self._changing:
            await self._end_doubt()

    async def close(self) -> None:
        """Give back all that was not journaled, and end the lease."""
        async with self._changing:
            await self._end_doubt()
            if self._lease == NOTHING:
                return
            while not await self._leases.end(self._product_id, self._session_id, self._lease, idle=self.free):
                await self._change(0)

    async def stop(self) -> None:
        """End the request under way, if there is one; what became of it is then not known."""
        if self._refill is not None:
            self._refill.cancel()
            await asyncio.wait({self._refill})

    def _is_sold_out(self, units: int) -> bool:
        left = 0 if self._product is None else self._product.level.available
        return units > self.free + left and asyncio.get_running_loop().time() < self._believed_until

    async def _refilled(self, units: int) -> None:
        """Wait for the one request under way, or make it."""
        if self._refill is None:
            self._refill = asyncio.create_task(self._lease_more(units), name=f"lease {self._product_id}")
            self._refill.add_done_callback(self._refill_done)
        refill = self._refill
        self._waiting_units += units
        try:
            await asyncio.wait({refill})
        finally:
            self._waiting_units -= units
        if refill.cancelled():
            raise SessionClosedError("the session was closed meanwhile", certain=True)
        error = refill.exception()
        if isinstance(error, StockUnavailableError):
            # Whatever became of the request, it is no order's yet.
            raise error.again(certain=True) from error
        refill.result()

    def _refill_done(self, task: asyncio.Task[None]) -> None:
        self._refill = None
        if not task.cancelled():
            task.exception()  # told to whoever waits; it may be nobody by now

    async def _lease_more(self, units: int) -> None:
        async with self._changing:
            await self._end_doubt()
            product = self._product or self._seen(await self._leases.read(self._product_id))
            for _ in range(_ROUNDS):
                missing = units - self.free
                if missing <= 0:
                    return
                if missing > product.level.available:
                    # Known from a while ago perhaps: asking for what is needed tells.
                    product = await self._change(missing)
                    if missing > product.level.available and self.free < units:
                        self._believed_until = asyncio.get_running_loop().time() + _BELIEVED_SECONDS
                        return
                else:
                    product = await self._change(self._portion(product, missing))
        if self.free < units:
            raise StockUnavailableError(f"others take {self._product_id} too fast", reason="contention", certain=True)

    def _portion(self, product: Product, missing: int) -> int:
        """About what an interval needs, but less when few are left, so that all sessions can sell to the end."""
        sessions = len(product.leases.keys() | {self._session_id})
        share = product.level.available // (2 * sessions)
        wanted = max(self._demand.units, self._waiting_units) - self.free
        return max(missing, min(wanted, share))

    async def _end_doubt(self) -> None:
        """Find out what became of a request without an answer, and keep it from arriving later."""
        if self._in_doubt:
            await self._change(0)
            self._in_doubt = False

    async def _change(self, by: int) -> Product:
        try:
            answer = await self._leases.change(self._product_id, self._session_id, self._lease, by=by)
        except SessionClosedError:
            self._on_closed()
            raise
        except BaseException as error:
            self._in_doubt = self._in_doubt or not (isinstance(error, StockUnavailableError) and error.certain)
            if not self._in_doubt:
                self._returning = 0  # refused for certain: they are here
            raise
        if not isinstance(answer, TooFewLeft):
            self._lease, self._returning = answer.lease, 0
        return self._seen(answer.product)

    def _seen(self, product: Product) -> Product:
        self._product = product
        self._observer.level(product.level)
        return product
