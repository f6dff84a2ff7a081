"""The wire calls of SNS, SQS and DynamoDB, and a payment provider, in one small process: answers after a fixed time.

    python -m bench.stub --round-trip-ms 5 --payment-ms 100 --messages 10000

It prints its port. It checks nothing and keeps nothing but the items of the ledger, so that it costs little, and the
stock table (`bench/stock_table.py`). Messages come at once, or at `--rate` a second; of a hundred, `--poison` are no
orders and the payments of `--hanging` are never made nor answered. `GET /` tells how many messages were given and
acknowledged, and of each healthy order that came at a rate how many milliseconds after it was due it was recorded.
"""

import argparse
import asyncio
import functools
import hashlib
import itertools
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bench.stock_table import RemoteStock
from flashmsg import encode_placed
from flashpay.testing import sample_order

_ORDER = sample_order()
_BODY = encode_placed(_ORDER, traceparent=f"00-{'5e' * 16}-{'7a' * 8}-01")
_LETTERS = str.maketrans("0123456789", "abcdefghij")
_PRODUCT = {
    "product_id": {"S": "gadget"},
    "name": {"S": "A gadget"},
    "unit_price_minor": {"N": "1999"},
    "currency": {"S": "EUR"},
}
_ENTRY = re.compile(rb"member\.\d+\.Id=(\w+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *\w+\.(\w+)", re.IGNORECASE)
_ENDLESS = 1 << 60
_NEVER = 3600.0


def order_id(number: int) -> str:
    """The id of the nth order."""
    return "ord_" + f"{number:020d}".translate(_LETTERS)


@dataclass(kw_only=True)
class Service:
    """What stands behind the stub's port."""

    round_trip: float
    payment: float
    stock: RemoteStock
    messages: int
    body: str = _BODY
    queue_url: str = ""
    rate: float = 0.0
    poison: int = 0
    hanging: int = 0
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: Iterator[int] = field(default_factory=itertools.count)
    given: int = 0
    acknowledged: int = 0
    began: float = 0.0
    due: dict[str, float] = field(default_factory=dict)
    hung: set[str] = field(default_factory=set)
    settled_ms: list[float] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a repeatable load, no secret

    def answer(self, target: str, body: bytes) -> tuple[float, bytes]:
        """After how long, and what."""
        if target == "charge":
            return self._charge(json.loads(body))
        if target == "form":
            return self.round_trip, _published(body)
        act = getattr(self, f"_{target}")
        return act(json.loads(body or b"{}"))  # type: ignore[no-any-return]

    def progress(self) -> bytes:
        """What `GET /` tells."""
        figures = {"given": self.given, "acknowledged": self.acknowledged, "settled_ms": self.settled_ms}
        return json.dumps(figures).encode()

    def _charge(self, asked: dict[str, Any]) -> tuple[float, bytes]:
        receipt = {"charge_id": f"ch_{asked['order_id']}", "status": "succeeded", **asked}
        return (_NEVER if asked["order_id"] in self.hung else self.payment), json.dumps(receipt).encode()

    def _Scan(self, _asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802 - AWS's names
        return self.round_trip, json.dumps({"Items": [_PRODUCT], "Count": 1}).encode()

    def _GetItem(self, _asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        return self.round_trip, b"{}"

    def _PutItem(self, asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        self.items[asked["Item"]["order_id"]["S"]] = asked["Item"]
        return self.round_trip, b"{}"

    def _UpdateItem(self, asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        order = asked["Key"]["order_id"]["S"]
        item = self.items.pop(order, {})
        if order in self.due:
            self.settled_ms.append((asyncio.get_running_loop().time() - self.due.pop(order)) * 1e3)
        names = asked["ExpressionAttributeNames"]
        values = {name[1:]: value for name, value in asked["ExpressionAttributeValues"].items()}
        item |= {real: values[short[1:]] for short, real in names.items() if short[1:] in values}
        item.pop("lease_until", None)
        return self.round_trip, json.dumps({"Attributes": item}).encode()

    def _ReceiveMessage(self, asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        most, wait = min(int(asked.get("MaxNumberOfMessages", 1)), self.messages - self.given), 0.0
        if self.rate:
            now = asyncio.get_running_loop().time()
            self.began = self.began or now
            wait = max(0.0, self.began + (self.given + 1) / self.rate - now)
            most = min(most, max(1, int((now - self.began) * self.rate) - self.given))
        if most <= 0:
            return 1.0, b"{}"
        first, self.given = self.given, self.given + most
        messages = [self._message(number) for number in range(first, first + most)]
        return self.round_trip + wait, json.dumps({"Messages": messages}).encode()

    def _message(self, number: int) -> dict[str, Any]:
        draw, order = self.chance.randrange(100), order_id(number)
        is_poison, hangs = draw < self.poison, self.poison <= draw < self.poison + self.hanging
        if hangs:
            self.hung.add(order)
        elif self.rate and not is_poison:
            self.due[order] = self.began + (number + 1) / self.rate
        body = "poison" if is_poison else self.body.replace(_ORDER.order_id, order)
        return {
            "MessageId": f"m{number}",
            "ReceiptHandle": f"r{number}",
            "Body": body,
            "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            "Attributes": {"ApproximateReceiveCount": "1"},
            "MessageAttributes": {"type": {"DataType": "String", "StringValue": "com.flashsale.order.placed.v1"}},
        }

    def _DeleteMessageBatch(self, asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        self.acknowledged += len(asked["Entries"])
        return self.round_trip, json.dumps({"Successful": [{"Id": entry["Id"]} for entry in asked["Entries"]]}).encode()

    def _DeleteMessage(self, _asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        self.acknowledged += 1
        return self.round_trip, b"{}"

    _ChangeMessageVisibilityBatch = _DeleteMessageBatch

    def _GetQueueUrl(self, _asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        return self.round_trip, json.dumps({"QueueUrl": self.queue_url}).encode()

    def _GetQueueAttributes(self, _asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        return self.round_trip, b'{"Attributes": {"VisibilityTimeout": "60", "ApproximateNumberOfMessages": "1000"}}'

    def _SendMessage(self, _asked: dict[str, Any]) -> tuple[float, bytes]:  # noqa: N802
        return self.round_trip, b'{"MessageId": "d", "MD5OfMessageBody": "0"}'


def _published(form: bytes) -> bytes:
    if b"Action=PublishBatch" not in form:
        return b"<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>"
    members = b"".join(
        b"<member><MessageId>5f1c8f5e-8c8e-5c4c-9f0e-0f6b0e0b0e00</MessageId><Id>%s</Id></member>" % one
        for one in _ENTRY.findall(form)
    )
    return (
        b'<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Failed/>'
        b"<Successful>%s</Successful></PublishBatchResult><ResponseMetadata><RequestId>r</RequestId>"
        b"</ResponseMetadata></PublishBatchResponse>" % members
    )


def _unknown(head: bytes) -> bytes:
    key = head.split(b" ", 2)[1].rpartition(b"/")[2].decode()
    return json.dumps({"type": "urn:flash-sale:charge-unknown", "idempotency_key": key}).encode()


class Connection(asyncio.Protocol):
    """One connection: one request after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._held = b""
        self._transport: asyncio.Transport | None = None
        self._asking: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a TCP server it is
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request when it is whole."""
        self._held += data
        head_end = self._held.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._held[:head_end]
        length = _LENGTH.search(head)
        end = head_end + 4 + (int(length[1]) if length else 0)
        if len(self._held) < end:
            return
        body, self._held = self._held[head_end + 4 : end], self._held[end:]
        target = _TARGET.search(head)
        name = target[1].decode() if target else ("charge" if b" /v1/charges" in head[:40] else "form")
        if head.startswith(b"GET /v1/charges/"):
            asyncio.get_running_loop().call_later(
                self._service.round_trip, self._write, _unknown(head), b"404 Not Found"
            )
            return
        if head.startswith(b"GET"):
            self._write(self._service.progress())
            return
        if self._service.stock.is_asked(name, body):
            self._asking = asyncio.get_running_loop().create_task(self._ask_stock(name, body))
            return
        after, answer = self._service.answer(name, body)
        asyncio.get_running_loop().call_later(after, self._write, answer)

    async def _ask_stock(self, name: str, body: bytes) -> None:
        status, answer = await self._service.stock.answer(name, body)
        self._write(answer, status)

    def _write(self, body: bytes, status: bytes = b"200 OK") -> None:
        if self._transport is not None and not self._transport.is_closing():
            kind = b"text/xml" if body.startswith(b"<") else b"application/json"
            head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
            self._transport.write(head + body)


async def serve(service: Service) -> None:
    """Serve on a free port until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(functools.partial(Connection, service), "127.0.0.1", 0, backlog=2048)
    port = server.sockets[0].getsockname()[1]
    service.queue_url = f"http://127.0.0.1:{port}/000000000000/orders"
    print(port, flush=True)  # noqa: T201 - whoever started it reads it
    await server.serve_forever()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="AWS on the wire, and nothing behind it.")
    parser.add_argument("--round-trip-ms", type=float, default=5.0)
    parser.add_argument("--payment-ms", type=float, default=100.0)
    parser.add_argument("--messages", type=int, default=_ENDLESS)
    parser.add_argument("--body", default=_BODY, help="of a message, for a consumer that knows no orders")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--poison", type=int, default=0)
    parser.add_argument("--hanging", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Read the options and serve."""
    options = _options()
    service = Service(
        round_trip=options.round_trip_ms / 1e3,
        stock=RemoteStock(round_trip=timedelta(milliseconds=options.round_trip_ms)),
        payment=options.payment_ms / 1e3,
        messages=options.messages,
        body=options.body,
        rate=options.rate,
        poison=options.poison,
        hanging=options.hanging,
    )
    asyncio.run(serve(service))


if __name__ == "__main__":
    main()
