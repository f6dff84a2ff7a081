"""What became of a run: the customers' word, the ledger and the gateway's own charge store held against each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from tests.chaos.customers import Customer, Told
from tests.integration.shopper import TERMINAL

ENDS = ("completed", "declined", "failed", "cancelled", "refunded")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One case's line in the report.

    Attributes:
        acknowledged: Orders whose customers were told that they are accepted.
        open: Orders in the ledger, acknowledged or not, that have not come to their end.
        lost: Acknowledged orders without an end, and orders of which ledger and gateway tell different ends.
        duplicated: Charges beyond one for a customer, and refunds beyond one of an order.
        oversold: Charges beyond the units that there were, and units that are nobody's; what is paid back is unsold.
        untold: Orders whose end no subscriber has heard of, not even from a reconciler.
        untrue: Customers who were told "not accepted" or "sold out" last and are charged all the same, and those
            who were told "cancelled" or "refunded" of an order that has another end.
        recovered: Acknowledged orders that were open when the trouble and the customers were over.
        recovery_seconds: How long after that the last order came to its end.
        dead_letters: Orders, and messages that are none, in the dead-letter queue at the end.
        strikes: How often a line, a process or a message was struck.
    """

    case: str
    seed: str
    attempted: int
    acknowledged: int
    completed: int
    declined: int
    failed: int
    cancelled: int
    refunded: int
    open: int
    lost: int
    duplicated: int
    oversold: int
    untold: int
    untrue: int
    recovered: int
    recovery_seconds: float
    dead_letters: int
    strikes: int

    @property
    def broken(self) -> dict[str, int]:
        """The promises that do not hold, each with how often."""
        counts = asdict(self)
        promises = ("open", "lost", "duplicated", "oversold", "untold", "untrue")
        return {name: counts[name] for name in promises if counts[name]}


@dataclass(frozen=True, kw_only=True)
class Records:
    """What those who know say at the end: status by order id, every charge of the gateway, units and telling."""

    customers: Sequence[Customer]
    statuses: Mapping[str, str]
    charges: Sequence[Mapping[str, Any]]
    units_astray: int = 0
    untold: int = 0
    units: int | None = None

    def counts(self) -> dict[str, int]:
        """The counts of a verdict."""
        accepted = [c.order_id for c in self.customers if c.told is Told.ACCEPTED and c.order_id is not None]
        ends = Counter(self.statuses.get(order_id, "pending") for order_id in accepted)
        paid, refunds = self._paid(), self._of_status("refunded", "order_id")
        kept = paid.total() - refunds.total()
        return {
            "attempted": len(self.customers),
            "acknowledged": len(accepted),
            **{name: ends[name] for name in ENDS},
            "open": sum(status not in TERMINAL for status in self.statuses.values()),
            "lost": self._lost(accepted),
            "duplicated": sum(times - 1 for times in (*paid.values(), *refunds.values())),
            "oversold": self.units_astray + max(0, kept - (self.units or kept)),
            "untold": self.untold,
            "untrue": sum(self._was_told_wrong(customer, paid) for customer in self.customers),
        }

    def _paid(self) -> Counter[Any]:
        # One customer has one order here: two charges are one too many, whatever ids they carry.
        return self._of_status("succeeded", "customer_id")

    def _of_status(self, status: str, name: str) -> Counter[Any]:
        return Counter(row[name] for row in self.charges if row["status"] == status)

    def _was_told_wrong(self, customer: Customer, paid: Counter[Any]) -> bool:
        if customer.told in {Told.NOT_ACCEPTED, Told.SOLD_OUT}:
            return paid[customer.number] > 0
        return customer.ended is not None and self.statuses.get(customer.order_id or "") != customer.ended

    def _lost(self, accepted: Sequence[str]) -> int:
        unended = {order_id for order_id in accepted if self.statuses.get(order_id) not in TERMINAL}
        charged, paid_back = (set(self._of_status(status, "order_id")) for status in ("succeeded", "refunded"))
        return len(unended | (self._in("completed", "refunded") ^ charged) | (self._in("refunded") ^ paid_back))

    def _in(self, *wanted: str) -> set[str]:
        return {order_id for order_id, status in self.statuses.items() if status in wanted}


def table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts in Markdown."""
    names = [field.name for field in fields(Verdict)]
    rows = [names, ["---"] * len(names)]
    rows += [[_shown(value) for value in asdict(verdict).values()] for verdict in verdicts]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
