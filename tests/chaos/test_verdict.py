"""Every promise that is broken is seen in the records, and records of a good run show none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.customers import Customer, Told
from tests.chaos.report import write
from tests.chaos.verdict import ENDS, Records, Verdict


def charge(order_id: str, customer: int, status: str = "succeeded") -> dict[str, Any]:
    return {"order_id": order_id, "customer_id": customer, "status": status}


def customer(number: int, told: Told = Told.ACCEPTED, *, ended: str | None = None) -> Customer:
    order_id = f"o{number}" if told is Told.ACCEPTED else None
    return Customer(number=number, order_id=order_id, told=told, ended=ended)


STATUSES = {"o1": "completed", "o2": "declined", "o4": "completed", "o6": "refunded", "o7": "cancelled"}
GOOD = Records(
    customers=[
        customer(1),
        customer(2),
        customer(3, Told.NOT_ACCEPTED),
        customer(4, Told.UNKNOWN),
        customer(6, ended="refunded"),
        customer(7, ended="cancelled"),
    ],
    statuses=STATUSES,
    charges=[
        charge("o1", 1),
        charge("o2", 2, "declined"),
        charge("o4", 4),
        charge("o6", 6),
        charge("o6", 6, "refunded"),
    ],
    units=2,
)


def verdict_of(records: Records) -> Verdict:
    return Verdict(
        case="", seed="", **records.counts(), recovered=0, recovery_seconds=0.5, dead_letters=0, strikes=0
    )  # fmt: skip


def test_a_good_run_breaks_nothing_and_is_counted() -> None:
    verdict = verdict_of(GOOD)
    assert verdict.broken == {}
    assert (verdict.attempted, verdict.acknowledged) == (6, 4)
    assert [getattr(verdict, status) for status in ENDS] == [1, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("name", "records"),
    [
        ("lost", replace(GOOD, statuses=STATUSES | {"o2": "pending"})),
        ("lost", replace(GOOD, statuses={name: status for name, status in STATUSES.items() if name != "o2"})),
        ("lost", replace(GOOD, charges=GOOD.charges[1:])),
        ("lost", replace(GOOD, statuses=STATUSES | {"o1": "declined"})),
        ("lost", replace(GOOD, charges=GOOD.charges[:-1])),
        ("lost", replace(GOOD, charges=[*GOOD.charges, charge("o1", 1, "refunded")])),
        ("lost", replace(GOOD, charges=[*GOOD.charges, charge("o7", 7)])),
        ("open", replace(GOOD, statuses=STATUSES | {"o6": "refunding"})),
        ("open", replace(GOOD, statuses=STATUSES | {"o5": "processing"})),
        ("duplicated", replace(GOOD, charges=[*GOOD.charges, charge("o1", 1)])),
        ("duplicated", replace(GOOD, charges=[*GOOD.charges, charge("o9", 1)])),
        ("duplicated", replace(GOOD, charges=[*GOOD.charges, GOOD.charges[-1]])),
        ("oversold", replace(GOOD, units=1)),
        ("oversold", replace(GOOD, units_astray=1)),
        ("untold", replace(GOOD, untold=1)),
        ("untrue", replace(GOOD, charges=[*GOOD.charges, charge("o3", 3)])),
        ("untrue", replace(GOOD, statuses=STATUSES | {"o7": "completed"})),
        ("untrue", replace(GOOD, statuses=STATUSES | {"o6": "completed"})),
    ],
)
def test_a_broken_promise_is_seen(name: str, records: Records) -> None:
    assert name in verdict_of(records).broken


def test_the_report_is_a_table_for_people_and_rows_for_programs(tmp_path: Path) -> None:
    write([verdict_of(GOOD)], tmp_path)
    head, _, row = (tmp_path / "verdicts.md").read_text().splitlines()
    assert head.startswith("| case | seed | attempted |")
    assert "| 6 | 4 | 1 | 1 | 0 | 1 | 1 |" in row
    assert '"recovery_seconds": 0.5' in (tmp_path / "verdicts.json").read_text()
