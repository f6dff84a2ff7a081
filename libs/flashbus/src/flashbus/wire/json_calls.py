"""DynamoDB and SQS: JSON both ways, so that the arguments of a call are its body, and the answer is what it returns."""

import json
from collections.abc import Mapping
from typing import Any

from flashbus.parser_error import response_parser_error
from flashbus.wire.calls import Caller

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class _JsonCalls:
    _TARGET: str

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def _call(self, operation: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"{self._TARGET}.{operation}"}
        body = await self._caller.call(operation, _encode(arguments).encode(), headers)
        try:
            answer = json.loads(body) if body else {}
        except (ValueError, RecursionError) as error:
            raise response_parser_error()(f"{operation}: the answer is no JSON") from error
        if not isinstance(answer, dict):
            raise response_parser_error()(f"{operation}: the answer is no object")
        return answer


class DynamoCalls(_JsonCalls):
    """The calls that are made of DynamoDB, with the arguments and the answers of an aiobotocore client.

    Values of type B would need base64: no item of ours has one.
    """

    _TARGET = "DynamoDB_20120810"

    async def get_item(self, **arguments: object) -> dict[str, Any]:
        """Read one item."""
        return await self._call("GetItem", arguments)

    async def put_item(self, **arguments: object) -> dict[str, Any]:
        """Write one item."""
        return await self._call("PutItem", arguments)

    async def update_item(self, **arguments: object) -> dict[str, Any]:
        """Change attributes of one item."""
        return await self._call("UpdateItem", arguments)

    async def delete_item(self, **arguments: object) -> dict[str, Any]:
        """Remove one item."""
        return await self._call("DeleteItem", arguments)

    async def batch_get_item(self, **arguments: object) -> dict[str, Any]:
        """Read up to a hundred items."""
        return await self._call("BatchGetItem", arguments)

    async def transact_write_items(self, **arguments: object) -> dict[str, Any]:
        """Up to a hundred writes, all or none."""
        return await self._call("TransactWriteItems", arguments)

    async def scan(self, **arguments: object) -> dict[str, Any]:
        """Read one page of a table."""
        return await self._call("Scan", arguments)


class SqsCalls(_JsonCalls):
    """The calls that are made of SQS, with the arguments and the answers of an aiobotocore client."""

    _TARGET = "AmazonSQS"

    async def receive_message(self, **arguments: object) -> dict[str, Any]:
        """Take up to ten messages."""
        return await self._call("ReceiveMessage", arguments)

    async def delete_message_batch(self, **arguments: object) -> dict[str, Any]:
        """Delete up to ten messages."""
        return await self._call("DeleteMessageBatch", arguments)

    async def change_message_visibility_batch(self, **arguments: object) -> dict[str, Any]:
        """Change for how long up to ten messages stay hidden."""
        return await self._call("ChangeMessageVisibilityBatch", arguments)

    async def send_message(self, **arguments: object) -> dict[str, Any]:
        """Send one message."""
        return await self._call("SendMessage", arguments)
