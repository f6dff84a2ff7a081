import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_gateway.charges import Charge, ChargeRequest, ChargeStatus
from payment_gateway.errors import KeyReusedError, LedgerError
from payment_gateway.ledger import Ledger

NOW = datetime(2026, 11, 22, 21, 0, 0, 123456, tzinfo=UTC)


def asked(order_id: str = "ord_1", amount_minor: int = 100) -> ChargeRequest:
    return ChargeRequest(order_id=order_id, amount_minor=amount_minor, currency="USD", customer_id=1)


def charged(ledger: Ledger, key: str, request: ChargeRequest, *, declined_because: str | None = None) -> Charge:
    ledger.attempt(key, request)
    return ledger.record(key, request, declined_because=declined_because, traceparent=None, started_at=NOW)


def test_a_charge_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    charge = charged(ledger, "k1", asked())
    assert charge.status is ChargeStatus.SUCCEEDED
    assert charge.charge_id is not None
    assert (charge.started_at, charge.reason, charge.attempts) == (NOW, None, 1)
    assert ledger.attempt("k1", asked()) == (2, replace(charge, attempts=2))


def test_a_key_with_other_content_is_refused_and_not_counted(ledger: Ledger) -> None:
    ledger.attempt("k1", asked())
    with pytest.raises(KeyReusedError):
        ledger.attempt("k1", asked(amount_minor=101))
    assert ledger.totals().attempts == 1
    assert ledger.attempt("k1", asked()) == (2, None)


def test_a_key_has_one_answer(ledger: Ledger) -> None:
    charged(ledger, "k1", asked())
    with pytest.raises(LedgerError):
        ledger.record("k1", asked(), declined_because="no", traceparent=None, started_at=NOW)
    assert ledger.totals().declined == 0
    charged(ledger, "k2", asked("ord_2"))
    assert ledger.totals().charges == 2


def test_totals_find_an_order_that_paid_twice(ledger: Ledger) -> None:
    charged(ledger, "k1", asked("ord_1"))
    charged(ledger, "k2", asked("ord_2"))
    charged(ledger, "k3", asked("ord_3"), declined_because="card_declined")
    charged(ledger, "k4", asked("ord_3"))
    ledger.attempt("k1", asked("ord_1"))
    ledger.attempt("k5", asked("ord_5"))
    totals = ledger.totals()
    assert (totals.charges, totals.declined, totals.attempts, totals.replays) == (3, 1, 6, 1)
    assert totals.orders_charged_more_than_once == 0
    charged(ledger, "another key", asked("ord_2"))
    assert ledger.totals().orders_charged_more_than_once == 1


def test_pages_follow_one_another(ledger: Ledger) -> None:
    for n in range(7):
        charged(ledger, f"k{n}", asked(f"ord_{n}"))
    pages = [ledger.page(after=after, limit=3) for after in (0, 3, 6, 7)]
    assert [[charge.order_id[-1] for charge in page] for page in pages] == [list("012"), list("345"), ["6"], []]


def test_it_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "ledger.sqlite3"
    with Ledger(path) as ledger:
        charge = charged(ledger, "k1", asked())
    with Ledger(path) as ledger:
        assert ledger.page(after=0, limit=10) == [charge]
        assert ledger.attempt("k1", asked())[1] is not None


def test_a_second_gateway_cannot_have_the_same_ledger(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment_gateway.ledger._LOCK_WAIT_SECONDS", 0.01)
    with pytest.raises(LedgerError, match="locked"):
        Ledger(tmp_path / "ledger.sqlite3")
    assert ledger.totals().attempts == 0


def test_a_file_that_is_no_ledger_is_refused_and_kept(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, " * 100)
    with pytest.raises(LedgerError, match=r"notes\.txt"):
        Ledger(text)
    assert text.read_text() == "not a database, " * 100
    with pytest.raises(LedgerError):
        Ledger(text / "below-a-file.sqlite3")


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LedgerError, match="version 99"):
        Ledger(path)


KEYS = st.sampled_from(["a", "b", "c"])


@given(steps=st.lists(st.tuples(KEYS, st.integers(1, 2), st.booleans()), max_size=25))
def test_whatever_is_asked_a_key_is_charged_once(steps: list[tuple[str, int, bool]]) -> None:
    with Ledger(Path(":memory:")) as ledger:
        answers: dict[str, Charge] = {}
        counted = 0
        for key, amount, declined in steps:
            request = asked(f"ord_{key}", amount)
            try:
                _, known = ledger.attempt(key, request)
            except KeyReusedError:
                continue
            counted += 1
            if known is None:
                answers[key] = ledger.record(
                    key, request, declined_because="no" if declined else None, traceparent=None, started_at=NOW
                )
            else:
                assert (known.id, known.charge_id) == (answers[key].id, answers[key].charge_id)
        totals = ledger.totals()
        assert totals.charges + totals.declined == len(answers)
        assert totals.attempts == counted
        assert totals.replays == counted - len(answers)
        assert totals.orders_charged_more_than_once == 0
