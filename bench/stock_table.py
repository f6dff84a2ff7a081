"""The stock table behind the stub: in memory, with DynamoDB's conditions, which a sale cannot do without."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

from botocore.exceptions import ClientError

from flashstock.table import Write
from flashstock.testing import MemoryDynamo, MemoryTable

NAME = "stock"
_CALLS = {
    "BatchGetItem": MemoryDynamo.batch_get_item,
    "PutItem": MemoryDynamo.put_item,
    "UpdateItem": MemoryDynamo.update_item,
    "DeleteItem": MemoryDynamo.delete_item,
    "TransactWriteItems": MemoryDynamo.transact_write_items,
}


class RemoteStock:
    """Answers the calls about the stock table, each after a round trip."""

    def __init__(self, *, round_trip: timedelta) -> None:
        """Begin with an empty table."""
        self._round_trip_seconds = round_trip.total_seconds()
        self._dynamo = MemoryDynamo(MemoryTable(checkpoint=self._travel))

    def is_asked(self, target: str, body: bytes) -> bool:
        """Whether a call is about the stock table."""
        return target in _CALLS and f'"{NAME}"'.encode() in body

    async def answer(self, target: str, body: bytes) -> tuple[bytes, bytes]:
        """The status line's end, and the body."""
        try:
            return b"200 OK", json.dumps(await _CALLS[target](self._dynamo, **json.loads(body))).encode()
        except ClientError as error:
            said = {name: value for name, value in error.response.items() if name not in ("Error", "ResponseMetadata")}
            return b"400 Bad Request", json.dumps({"__type": error.response["Error"]["Code"], **said}).encode()

    async def _travel(self, place: str, _writes: Sequence[Write]) -> None:
        if place == "called":
            await asyncio.sleep(self._round_trip_seconds)
