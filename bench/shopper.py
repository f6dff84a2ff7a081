"""The load: orders over kept connections, closed loop or when they are due, in a process of its own.

    python -m bench.shopper --port 8080 --connections 64 --seconds 3 [--rate 1000] [--keys 1] --warm-up 1

It prints one line of JSON: how many answers of each status in the window, and the latencies' percentiles. In an open
loop a latency counts from when the order was due, whatever became of the one before; `sent_late_…` is the part of it
that is the load's own: how late orders were sent for which a connection was free.
"""

import argparse
import asyncio
import collections
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, repeat

# Tenths of a second that an open loop waits for its last answers.
_PATIENCE = 50
_BODY = b'{"customer_id":7,"items":[{"product_id":"gadget","quantity":2}]}'
_HEAD = b"POST /orders/async HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_END = b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


@dataclass(kw_only=True)
class Records:
    """What came back between the warm-up and the end, and `answered`: how many ever did."""

    by_due: bool
    opens: float = 0.0
    closes: float = 0.0
    answered: int = 0
    statuses: collections.Counter[str] = field(default_factory=collections.Counter)
    latencies: list[float] = field(default_factory=list)
    sent_late: list[float] = field(default_factory=list)

    def note(self, status: bytes, since: float, now: float) -> None:
        """Keep one answer, if it came in the window; in an open loop, if its order was due in it."""
        self.answered += 1
        if self.opens <= (since if self.by_due else now) <= self.closes:
            self.statuses[status.decode()] += 1
            self.latencies.append(now - since)


class Connection(asyncio.Protocol):
    """One connection with at most one order under way."""

    def __init__(
        self, records: Records, requests: Iterator[bytes], idle: "collections.deque[Connection] | None"
    ) -> None:
        self._records = records
        self._requests = requests
        self._idle = idle
        self._since = 0.0
        self._held = b""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a TCP client it is
        self._transport = transport

    def order(self, due: float) -> None:
        """Send an order that was due then."""
        self._since = due
        if self._transport is not None:
            self._transport.write(next(self._requests))

    def close(self) -> None:
        """Send no more."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Note an answer when it is whole; in a closed loop, order again."""
        self._held += data
        head_end = self._held.find(b"\r\n\r\n")
        if head_end < 0:
            return
        at = self._held.lower().find(b"content-length:")
        if len(self._held) < head_end + 4 + int(self._held[at + 15 : self._held.index(b"\r\n", at)]):
            return
        now = self._loop.time()
        self._records.note(self._held[9:12], self._since, now)
        self._held = b""
        if self._idle is not None:
            self._idle.append(self)
        elif now < self._records.closes:
            self.order(now)


async def load(
    *, port: int, connections: int, seconds: float, warm_up: float, rate: float, keys: bool = False
) -> Records:
    """Send orders for a while, each with a key of its own if they have keys."""
    loop = asyncio.get_running_loop()
    records = Records(by_due=rate > 0)
    requests = _with_keys() if keys else repeat(_HEAD + _END)
    idle: collections.deque[Connection] | None = collections.deque() if rate else None
    opened = [await _connected(port, Connection(records, requests, idle)) for _ in range(connections)]
    # Connecting takes its time: only now does the window begin.
    records.opens = loop.time() + warm_up
    records.closes = records.opens + seconds
    if idle is None:
        await _in_a_closed_loop(opened, warm_up + seconds + 0.2)
    else:
        idle.extend(opened)
        await _when_due(records, idle, rate, connections)
    for connection in opened:
        connection.close()
    return records


async def _in_a_closed_loop(opened: list[Connection], seconds: float) -> None:
    for connection in opened:
        connection.order(asyncio.get_running_loop().time())
    await asyncio.sleep(seconds)


def _with_keys() -> Iterator[bytes]:
    began = time.time_ns()
    return (_HEAD + b"Idempotency-Key: %d-%d\r\n" % (began, number) + _END for number in count())


async def _connected(port: int, connection: Connection) -> Connection:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(lambda: connection, "127.0.0.1", port))[1]


async def _when_due(records: Records, idle: collections.deque[Connection], rate: float, connections: int) -> None:
    loop = asyncio.get_running_loop()
    due = free_since = loop.time()
    while due < records.closes:
        while due <= (now := loop.time()) and idle:
            idle.popleft().order(due)
            if due >= records.opens:
                records.sent_late.append(now - max(due, free_since))
            due += 1 / rate
        if not idle:
            free_since = now
        await asyncio.sleep(max(0.001, due - loop.time()))
    for _ in range(_PATIENCE):
        if len(idle) == connections:
            return
        await asyncio.sleep(0.1)


def main() -> None:
    """Read the options, send, and print what came back."""
    parser = argparse.ArgumentParser(description="Orders, closed loop or open.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=0.0, help="orders a second, whatever comes back; 0: closed loop")
    parser.add_argument("--keys", type=int, choices=(0, 1), default=0, help="1: every order has an Idempotency-Key")
    options = parser.parse_args()
    records = asyncio.run(load(**vars(options)))
    found = {**_percentiles("", records.latencies), **_percentiles("sent_late_", records.sent_late)}
    print(json.dumps({"statuses": records.statuses, "answered": records.answered, "seconds": options.seconds, **found}))  # noqa: T201 - read by who started it


def _percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"{name}p{n}_ms": ordered[int(len(ordered) * n / 100)] * 1e3 for n in (50, 95, 99) if ordered}


if __name__ == "__main__":
    main()
