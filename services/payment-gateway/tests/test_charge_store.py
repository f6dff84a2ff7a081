import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_gateway.charge_store import ChargeStore
from payment_gateway.charges import Charge, ChargeRequest, ChargeStatus
from payment_gateway.errors import ChargeStoreError, KeyReusedError

NOW = datetime(2026, 11, 22, 21, 0, 0, 123456, tzinfo=UTC)


def asked(order_id: str = "ord_1", amount_minor: int = 100) -> ChargeRequest:
    return ChargeRequest(order_id=order_id, amount_minor=amount_minor, currency="USD", customer_id=1)


def charged(store: ChargeStore, key: str, request: ChargeRequest, *, declined_because: str | None = None) -> Charge:
    store.attempt(key, request)
    return store.record(key, request, declined_because=declined_because, traceparent=None, started_at=NOW)


def test_a_charge_is_read_back_as_it_was_written(store: ChargeStore) -> None:
    charge = charged(store, "k1", asked())
    assert charge.status is ChargeStatus.SUCCEEDED
    assert charge.charge_id is not None
    assert (charge.started_at, charge.reason, charge.attempts) == (NOW, None, 1)
    assert store.attempt("k1", asked()) == (2, replace(charge, attempts=2))


def test_a_declined_charge_moved_no_money_and_says_why(store: ChargeStore) -> None:
    declined = charged(store, "k1", asked(), declined_because="card_declined")
    assert (declined.status, declined.charge_id, declined.reason) == (ChargeStatus.DECLINED, None, "card_declined")


def test_a_key_with_other_content_is_refused_and_not_counted(store: ChargeStore) -> None:
    store.attempt("k1", asked())
    with pytest.raises(KeyReusedError):
        store.attempt("k1", asked(amount_minor=101))
    assert store.totals().attempts == 1
    assert store.attempt("k1", asked()) == (2, None)


def test_a_key_has_one_answer(store: ChargeStore) -> None:
    charged(store, "k1", asked())
    with pytest.raises(ChargeStoreError):
        store.record("k1", asked(), declined_because="no", traceparent=None, started_at=NOW)
    assert store.totals().declined == 0
    charged(store, "k2", asked("ord_2"))
    assert store.totals().charges == 2


def test_totals_find_an_order_that_paid_twice(store: ChargeStore) -> None:
    charged(store, "k1", asked("ord_1"))
    charged(store, "k2", asked("ord_2"))
    charged(store, "k3", asked("ord_3"), declined_because="card_declined")
    charged(store, "k4", asked("ord_3"))
    store.attempt("k1", asked("ord_1"))
    store.attempt("k5", asked("ord_5"))
    totals = store.totals()
    assert (totals.charges, totals.declined, totals.attempts, totals.replays) == (3, 1, 6, 1)
    assert totals.orders_charged_more_than_once == 0
    charged(store, "another key", asked("ord_2"))
    assert store.totals().orders_charged_more_than_once == 1


def test_a_forgotten_key_is_a_new_one_and_what_it_answered_stays(store: ChargeStore) -> None:
    first = charged(store, "k1", asked())
    charged(store, "k2", asked("ord_2"))
    store.forget("k1", before=first.finished_at + timedelta(microseconds=1))
    assert store.answer("k1") is None
    assert store.attempt("k1", asked(amount_minor=101)) == (1, None)
    assert store.page(after=0, limit=1)[0].charge_id == first.charge_id
    assert store.answer("k2") is not None
    assert (store.totals().charges, store.totals().attempts) == (2, 3)


def test_a_key_that_was_answered_since_is_kept(store: ChargeStore) -> None:
    first = charged(store, "k1", asked())
    store.forget("k1", before=first.finished_at)
    assert store.attempt("k1", asked()) == (2, replace(first, attempts=2))


def test_a_key_without_an_answer_is_kept(store: ChargeStore) -> None:
    store.attempt("k1", asked())
    store.forget("k1", before=datetime.now(UTC) + timedelta(days=1))
    assert store.attempt("k1", asked()) == (2, None)


def test_pages_follow_one_another(store: ChargeStore) -> None:
    for n in range(7):
        charged(store, f"k{n}", asked(f"ord_{n}"))
    pages = [store.page(after=after, limit=3) for after in (0, 3, 6, 7)]
    assert [[charge.order_id[-1] for charge in page] for page in pages] == [list("012"), list("345"), ["6"], []]


def test_it_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "charges.sqlite3"
    with ChargeStore(path) as store:
        charge = charged(store, "k1", asked())
    with ChargeStore(path) as store:
        assert store.page(after=0, limit=10) == [charge]
        assert store.attempt("k1", asked())[1] is not None
    with closing(sqlite3.connect(path)) as database:
        ((started_at,),) = database.execute("SELECT started_at FROM charges")
    assert started_at == int(NOW.timestamp()) * 1_000_000 + NOW.microsecond, "microseconds since 1970"


def test_a_commit_is_not_forced_to_the_disk(store: ChargeStore) -> None:
    modes = [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 1]


def test_a_second_gateway_cannot_open_the_same_store(
    store: ChargeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment_gateway.charge_store._LOCK_WAIT_SECONDS", 0.01)
    with pytest.raises(ChargeStoreError, match="locked"):
        ChargeStore(tmp_path / "charges.sqlite3")
    assert store.totals().attempts == 0


def test_a_file_that_is_no_charge_store_is_refused_and_kept(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, " * 100)
    with pytest.raises(ChargeStoreError, match=r"notes\.txt"):
        ChargeStore(text)
    assert text.read_text() == "not a database, " * 100
    with pytest.raises(ChargeStoreError, match=r"^cannot open "):
        ChargeStore(text / "below-a-file.sqlite3")


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "charges.sqlite3"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ChargeStoreError, match="version 99"):
        ChargeStore(path)


KEYS = st.sampled_from(["a", "b", "c"])


@given(steps=st.lists(st.tuples(KEYS, st.integers(1, 2), st.booleans()), max_size=25))
def test_whatever_is_asked_a_key_is_charged_once(steps: list[tuple[str, int, bool]]) -> None:
    with ChargeStore(Path(":memory:")) as store:
        answers: dict[str, Charge] = {}
        counted = 0
        for key, amount, declined in steps:
            request = asked(f"ord_{key}", amount)
            try:
                _, known = store.attempt(key, request)
            except KeyReusedError:
                continue
            counted += 1
            if known is None:
                answers[key] = store.record(
                    key, request, declined_because="no" if declined else None, traceparent=None, started_at=NOW
                )
            else:
                assert (known.id, known.charge_id) == (answers[key].id, answers[key].charge_id)
        totals = store.totals()
        assert totals.charges + totals.declined == len(answers)
        assert totals.attempts == counted
        assert totals.replays == counted - len(answers)
        assert totals.orders_charged_more_than_once == 0
