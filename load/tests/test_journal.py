import json
from pathlib import Path

import pytest

from load.scenario import Scenario
from load.traffic.journal_reader import JournalReader, read_journal


def request(status: int, sent: float, phase: str = "normal") -> dict[str, object]:
    return {
        "request": {
            "due": sent,
            "sent": sent,
            "done": sent + 0.5,
            "status": status,
            "order_id": f"ord_{sent}",
            "order_status": "pending",
            "phase": phase,
            "user": 1,
            "think_seconds": 0.2,
            "reason": "",
        }
    }


def write(path: Path, entries: list[dict[str, object]], tail: str = "") -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + tail, encoding="utf-8")


def journal(path: Path) -> None:
    arrivals: list[dict[str, object]] = [{"user": number, "at": 100.0 + number} for number in range(1, 6)]
    later: list[dict[str, object]] = [{"user": number, "at": 110.0 + number / 10} for number in range(6, 21)]
    write(
        path,
        [
            {"phase": "normal", "at": 100.0},
            *arrivals,
            request(202, 103.0),
            request(202, 102.0),
            {"phase": "flash", "at": 110.0},
            *later,
            request(503, 113.0, "flash"),
            {"end": 120.0},
            request(202, 119.9, "flash"),
        ],
        tail='{"request": {"due": 1',
    )


def test_phases_are_as_they_really_were(tmp_path: Path, queue_scenario: Scenario) -> None:
    journal(tmp_path / "journal")
    marks, requests = read_journal(tmp_path / "journal", queue_scenario)
    assert [(mark.name, mark.started, mark.full, mark.ended) for mark in marks] == [
        ("normal", 100.0, 105.0, 110.0),
        ("flash", 110.0, 112.0, 120.0),
    ]
    assert [one.sent for one in requests] == [102.0, 103.0, 113.0, 119.9]


def test_a_journal_is_followed_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    reader = JournalReader(path)
    reader.poll()
    assert reader.requests == 0
    journal(path)
    reader.poll()
    assert (reader.requests, reader.accepted, reader.phase, reader.is_over) == (4, 3, "flash", True)
    # their answers came at 102.5, 103.5 and 120.4; the one of 113.5 was a 503
    assert [reader.accepted_until(moment) for moment in (102.4, 102.5, 119.0, 120.5)] == [0, 1, 2, 3]
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n")
    with pytest.raises(ValueError, match="Expecting"):
        reader.poll()


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = json.dumps(request(202, 1.0)) + "\n"
    path.write_text(whole[:20], encoding="utf-8")
    reader = JournalReader(path)
    reader.poll()
    assert reader.requests == 0
    path.write_text(whole, encoding="utf-8")
    reader.poll()
    assert reader.requests == 1
