from pathlib import Path

from load.records import Charge, Order, Request, RunRecords, read_records, write_records


def test_records_survive_their_files(tmp_path: Path, queue_run: RunRecords) -> None:
    write_records(tmp_path, queue_run)
    again = read_records(tmp_path)
    for name in ("phases", "requests", "orders", "charges", "samples", "processes", "cold_starts", "ending"):
        assert getattr(again, name) == getattr(queue_run, name), name


def test_the_files_are_tidy_csv(tmp_path: Path, queue_run: RunRecords) -> None:
    write_records(tmp_path, queue_run)
    lines = (tmp_path / "orders.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "order_id,status,created_at,completed_at,charge_id,total_minor,attempt,reason"
    assert len(lines) == len(queue_run.orders) + 1


def test_only_an_answer_with_an_order_is_accepted() -> None:
    base = Request(due=1.0, sent=1.0, done=1.5, status=202, order_id="ord_a")
    assert base.is_accepted
    assert base.latency_seconds == 0.5
    assert not Request(due=1.0, sent=1.0, done=1.5, status=503, order_id="ord_a").is_accepted
    assert not Request(due=1.0, sent=1.0, done=1.5, status=202).is_accepted


def test_terminal_statuses() -> None:
    terminal = {
        status
        for status in ("pending", "processing", "completed", "declined", "sold_out", "failed")
        if Order(order_id="ord_a", status=status).is_terminal
    }
    assert terminal == {"completed", "declined", "sold_out", "failed"}
    assert Charge(order_id="ord_a", charge_id="ch", status="succeeded").attempts == 1
