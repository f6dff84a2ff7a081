import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from flashmsg import OrderPlaced, encode
from flashpay import Settler
from flashpay.testing import FakeGateway, MemoryLedger, Reply
from flashpay.testing.orders import sample_order
from lambda_handler.consumer import BatchConsumer
from lambda_handler.function import Function, RecordFailedError
from lambda_handler.json_log import JsonLog
from lambda_handler.record_settler import RecordSettler
from lambda_handler.records import UnknownEventError

NARROW_MS = 1100


@dataclass(kw_only=True)
class FakeContext:
    aws_request_id: str = "r1"
    left_ms: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@dataclass(kw_only=True)
class Bench:
    function: Function
    gateway: FakeGateway
    stream: io.StringIO

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def opened() -> list[str]:
    return []


@pytest.fixture
def bench(opened: list[str]) -> Iterator[Bench]:
    stream, gateway = io.StringIO(), FakeGateway()
    log = JsonLog(stream)

    @asynccontextmanager
    async def parts() -> AsyncIterator[Callable[[], BatchConsumer]]:
        opened.append("open")
        ledger, timeout = MemoryLedger(), timedelta(seconds=1)
        settler = Settler(ledger=ledger, gateway=gateway, owner="f", payment_timeout=timeout)
        record_settler = RecordSettler(settler=settler, dead_letters=None, max_receives=5, payment_timeout=timeout)
        yield lambda: BatchConsumer(record_settler=record_settler, log=log)
        opened.append("close")

    function = Function(parts(), log=log)
    yield Bench(function=function, gateway=gateway, stream=stream)
    if "close" not in opened:
        function.close()


def queue_event(*names: str) -> dict[str, object]:
    def record(name: str) -> dict[str, object]:
        body = encode(OrderPlaced.of(sample_order(name)))
        count = {"ApproximateReceiveCount": "1"}
        return {"eventSource": "aws:sqs", "messageId": name, "body": body, "attributes": count}

    return {"Records": [record(name) for name in names]}


def topic_event(text: str) -> dict[str, object]:
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]}


def test_a_settled_batch_reports_no_failures(bench: Bench) -> None:
    assert bench.function(queue_event("a", "b"), FakeContext()) == {"batchItemFailures": []}


def test_a_restored_environment_has_its_consumer_before_the_first_event() -> None:
    made: list[BatchConsumer] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[Callable[[], BatchConsumer]]:
        def make() -> BatchConsumer:
            settler = Settler(ledger=MemoryLedger(), gateway=FakeGateway(), owner="function")
            record_settler = RecordSettler(
                settler=settler, dead_letters=None, max_receives=3, payment_timeout=timedelta(seconds=10)
            )
            made.append(BatchConsumer(record_settler=record_settler, log=log))
            return made[-1]

        yield make

    log = JsonLog(io.StringIO())
    function = Function(opened(), log=log, from_snapshot=True)
    assert made == []
    function.restored()
    assert len(made) == 1
    function(queue_event("a"), FakeContext())
    assert len(made) == 1
    function.close()


def test_only_the_messages_that_failed_are_reported(bench: Bench) -> None:
    bench.gateway.plan(Reply.FAIL)
    answer = bench.function(queue_event("a", "b"), FakeContext(left_ms=NARROW_MS))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "a"}]}


def test_without_a_dead_letter_queue_poison_is_left_to_the_queues_redrive(bench: Bench) -> None:
    event = {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": "?", "attributes": {}}]}
    assert bench.function(event, FakeContext()) == {"batchItemFailures": [{"itemIdentifier": "m"}]}


def test_a_settled_order_from_the_topic_answers_nothing(bench: Bench) -> None:
    assert bench.function(topic_event(encode(OrderPlaced.of(sample_order()))), FakeContext()) is None
    assert len(bench.gateway.requests) == 1


@pytest.mark.parametrize("text", ["not an order", '{"specversion":"1.0"}'])
def test_poison_from_the_topic_raises_so_that_the_destination_gets_it(bench: Bench, text: str) -> None:
    with pytest.raises(RecordFailedError, match=r"^poison: poison$"):
        bench.function(topic_event(text), FakeContext())


def test_a_transient_failure_from_the_topic_raises_so_that_lambda_tries_again(bench: Bench) -> None:
    bench.gateway.plan(Reply.FAIL)
    order = encode(OrderPlaced.of(sample_order()))
    with pytest.raises(RecordFailedError, match=f"^{sample_order().order_id}: server_error$"):
        bench.function(topic_event(order), FakeContext(left_ms=NARROW_MS))
    assert bench.function(topic_event(order), FakeContext()) is None


@pytest.mark.parametrize(
    "event",
    [{}, [], None, "Records", {"Records": {}}, {"Records": ["x"]}, {"Records": [{"eventSource": "aws:s3"}]},
     {"Records": [{"eventSource": "aws:sqs"}]}, {"Records": [{"eventSource": "aws:sqs", "messageId": 1}]}],
)  # fmt: skip
def test_a_foreign_event_is_refused(bench: Bench, event: object) -> None:
    with pytest.raises(UnknownEventError):
        bench.function(event, FakeContext())


def test_an_event_without_records_does_nothing(bench: Bench) -> None:
    assert bench.function({"Records": []}, FakeContext()) is None


def test_clients_are_opened_once_and_closed_with_the_environment(bench: Bench, opened: list[str]) -> None:
    bench.function(queue_event("a"), FakeContext())
    bench.function(queue_event("b"), FakeContext())
    assert opened == ["open"]
    bench.function.close()
    assert opened == ["open", "close"]


def test_the_cold_start_is_logged_once_with_the_first_event(bench: Bench) -> None:
    bench.function(queue_event("a"), FakeContext(aws_request_id="first"))
    bench.function(queue_event("b"), FakeContext(aws_request_id="second"))
    assert bench.events == ["cold_start", "record_consumed", "record_consumed"]
    line = json.loads(bench.stream.getvalue().splitlines()[0])
    assert line["request_id"] == "first"
    assert line["init_seconds"] > 0


def test_the_cold_start_is_told_to_the_tenth_of_a_millisecond(bench: Bench) -> None:
    bench.function._init_seconds = 1.23456
    bench.function(queue_event("a"), FakeContext())
    assert json.loads(bench.stream.getvalue().splitlines()[0])["init_seconds"] == 1.2346


PROGRAM = """
from types import SimpleNamespace
from lambda_handler.main import handler
print(handler({"Records": []}, SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 3000)))
"""


def run_main(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", **variables}
    return subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False
    )


def test_the_entry_point_opens_its_clients_while_it_is_imported_and_closes_them_at_exit() -> None:
    done = run_main(ORDERS_TABLE="orders", GATEWAY_URL="http://gateway.test", AWS_REGION="eu-central-1")
    assert (done.returncode, done.stderr) == (0, "")
    cold_start, answer = done.stdout.splitlines()
    assert 0 < json.loads(cold_start)["init_seconds"] < 60
    assert answer == "None"


def test_a_missing_variable_stops_the_entry_point_with_its_name() -> None:
    done = run_main(GATEWAY_URL="http://gateway.test")
    assert done.returncode != 0
    assert "ORDERS_TABLE is not set" in done.stderr
