"""What the stock tells whoever measures it."""

from flashmsg import Reservation
from flashstock.levels import StockLevel


class StockObserver:
    """Does nothing; override what is of interest. Called in the event loop: must not block, must not raise."""

    def level(self, level: StockLevel) -> None:
        """The counters of a product, whenever they are seen."""

    def sold_out(self, product_id: str) -> None:
        """A reservation was refused because too few units of a product are left."""

    def reclaimed(self, product_id: str, units: int) -> None:
        """Units that a dead session had left over are for sale again."""

    def republished(self) -> None:
        """An order that a dead session had journaled was published for it."""

    def stuck(self) -> None:
        """An attempt to place an order of the journal, or to take it back, has failed: it keeps its units meanwhile."""

    def oversold(self, reservation: Reservation) -> None:
        """A customer paid after the units had been returned, and somebody else has them by now."""
