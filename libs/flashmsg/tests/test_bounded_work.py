"""Small inputs cost little: time and memory grow with the size of a body and no faster, whatever it holds.

The recursion limit is lifted meanwhile, as Python 3.12 and later have none in C: what holds here holds there.
"""

import gc
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from flashmsg import FlashmsgError, decode_sqs_body, parse_request

SIZES = (16_000, 64_000)
LINES = 50
# Python objects take about 200 bytes for the smallest member of a document, which is three bytes long.
MOST_BYTES = 20_000_000
MOST_SECONDS = 1.0
SLACK_SECONDS = 0.02
# Four times the size takes four times as long, and sixteen times where work is quadratic.
MOST_GROWTH = 9

Make = Callable[[int], str]


def joined(text: str, before: str = "[", after: str = "]") -> Make:
    def make(size: int) -> str:
        length = max(len(text.replace("%d", "12345")), 1) + 1
        return before + ",".join(text.replace("%d", str(n)) for n in range(size // length)) + after

    return make


NASTY: dict[str, Make] = {
    "lists with a NaN at the bottom": lambda n: "[" * (n // 2) + "NaN" + "]" * (n // 2),
    "lists of texts with a NaN at the bottom": lambda n: '["x",' * (n // 6) + "NaN" + "]" * (n // 6),
    "objects": lambda n: '{"a":' * (n // 6) + "NaN" + "}" * (n // 6),
    "never closed": lambda n: "[" * n,
    "never closed, in an order": lambda n: '{"customer_id":1,"items":' + "[" * n,
    "closed first": lambda n: "]" * (n // 2) + "[" * (n // 2),
    "equal keys": joined('"a":1', "{", "}"),
    "equal long keys": joined(f'"{"k" * 500}":NaN', "{", "}"),
    "unknown fields": joined('"f%d":1', "{", "}"),
    "unknown fields outside ASCII": joined('"é%d":1', "{", "}"),
    "unknown fields at the deepest level": joined('"f%d":NaN', '{"a":' * 30 + "{", "}" + "}" * 30),
    "one long key": lambda n: '{"' + "k" * n + '":1}',
    "numbers": joined("1"),
    "numbers, then a NaN": joined("1", after=",NaN]"),
    "NaNs": joined("NaN"),
    "numbers at the deepest level": joined("1", "[" * 31, ",NaN" + "]" * 31),
    "empty lists": joined("[]"),
    "empty lines": joined("{}", '{"customer_id":1,"items":[', "]}"),
    "fifty wide lines": lambda n: (
        '{"customer_id":1,"items":[' + ",".join([joined('"f%d":1', "{", "}")(n // LINES)] * LINES) + "]}"
    ),
    "one long number": lambda n: '{"customer_id":' + "9" * n + "}",
    "long numbers": joined("9" * 4_299),
    "long fraction": lambda n: "[0." + "9" * n + "]",
    "infinite numbers": joined("1e999999"),
    "long exponent": lambda n: "[1e" + "9" * n + "]",
    "lone surrogates": lambda n: '["' + r"\ud800" * (n // 6) + '"]',
    "texts with lone surrogates": joined(r'"\ud800"'),
    "not ASCII": lambda n: '["' + "é" * (n // 2) + '"]',
    "backslashes": lambda n: '["' + "\\" * n + '"]',
    "half a text of backslashes": lambda n: '["' + "\\" * (n | 1),
    "quotes": lambda n: '"' * n,
    "quotes and brackets": lambda n: '["' * (n // 2),
    "spaces": lambda n: " " * n + "x",
    "line feeds": lambda n: "\n" * n + "x",
}


def refuse(body: str) -> None:
    """Give a body to every kind of parse; none takes it."""
    envelope = '{"Type":"Notification","Message":"' + body.replace("\\", "\\\\").replace('"', '\\"') + '"}'
    for parse in (
        lambda: parse_request(body.encode()),
        lambda: decode_sqs_body(body),
        lambda: decode_sqs_body(envelope),
    ):
        with pytest.raises(FlashmsgError):
            parse()


@pytest.fixture
def unlimited_recursion() -> Iterator[Callable[[Callable[[], None]], None]]:
    limit, stack = sys.getrecursionlimit(), threading.stack_size(512 * 1024 * 1024)

    def run(work: Callable[[], None]) -> None:
        failures: list[BaseException] = []

        def guarded() -> None:
            try:
                work()
            except BaseException as exc:  # noqa: BLE001 - carried over to the test's own thread
                failures.append(exc)

        thread = threading.Thread(target=guarded)
        sys.setrecursionlimit(1_000_000)
        # What other tests left on the heap is none of a body's cost: the collector does not walk it.
        gc.freeze()
        thread.start()
        thread.join()
        gc.unfreeze()
        if failures:
            raise failures[0]

    yield run
    sys.setrecursionlimit(limit)
    threading.stack_size(stack)


def seconds(body: str) -> float:
    def once() -> float:
        started = time.thread_time()
        refuse(body)
        return time.thread_time() - started

    return min(once() for _ in range(3))


@pytest.mark.parametrize("name", NASTY)
def test_time_and_memory_grow_no_faster_than_the_body(
    name: str, unlimited_recursion: Callable[[Callable[[], None]], None]
) -> None:
    small, large = (NASTY[name](size) for size in SIZES)

    def measure() -> None:
        taken, longer = seconds(small), seconds(large)
        assert longer < MOST_SECONDS
        assert longer < MOST_GROWTH * taken + SLACK_SECONDS
        tracemalloc.start()
        try:
            refuse(large)
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
        finally:
            tracemalloc.stop()

    unlimited_recursion(measure)
