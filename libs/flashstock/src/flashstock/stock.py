"""The stock as one object: everything that is kept in its table."""

from flashstock.counters import Counters
from flashstock.endings import Endings
from flashstock.leases import Leases
from flashstock.limits import Limits
from flashstock.observer import StockObserver
from flashstock.pages import Pages
from flashstock.reclaimer_lock import ReclaimerLock
from flashstock.sessions import Sessions
from flashstock.table import StockTable
from flashstock.withdrawals import Withdrawals


class Stock:
    """What is in the stock table, by concern.

    Attributes:
        counters: How many units there are; set and watched by people and services.
        endings: What becomes of reservations; asked by whoever settles orders.
        limits: How many units one customer has.
        leases: Units in the hands of a session; for `Seller` and `Reclaimer`, as is the rest.
        sessions: Who sells.
        pages: What sessions are about to publish.
        withdrawals: Taking that back.
        lock: Which reclaimer is at work.
    """

    def __init__(self, table: StockTable, *, observer: StockObserver | None = None) -> None:
        self.counters = Counters(table)
        self.endings = Endings(table, observer=observer or StockObserver())
        self.limits = Limits(table)
        self.leases = Leases(table)
        self.sessions = Sessions(table)
        self.pages = Pages(table)
        self.withdrawals = Withdrawals(table)
        self.lock = ReclaimerLock(table)
