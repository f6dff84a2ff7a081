"""Order once, whatever happens on the way: `python -m examples.repeating_client http://127.0.0.1:8080 desk-lamp`.

The client makes the key before it asks: then it can repeat even a request that nobody answered. (Who sends none finds
one in the problem document, as `idempotency_key`.)
"""

import asyncio
import json
import random
import sys
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import aiohttp

TERMINAL = {"completed", "declined", "sold_out", "failed", "cancelled", "refunded"}
PATIENCE = timedelta(minutes=2)
ONE_ANSWER = aiohttp.ClientTimeout(total=10)
POLL_SECONDS = 0.5


class RefusedError(Exception):
    """The shop refuses the request for good; the problem document says why."""


async def place(
    session: aiohttp.ClientSession,
    orders_url: str,
    order: Mapping[str, Any],
    *,
    key: str,
    patience: timedelta = PATIENCE,
) -> dict[str, Any]:
    """Order, and return the order when it has come to its end.

    Raises:
        RefusedError: It cannot be ordered like this.
        TimeoutError: It is not known what became of it. Keep the key: with it, it can be asked again at any time.
    """
    async with asyncio.timeout(patience.total_seconds()):
        # Until a 202 nothing but a repeat tells: `status_url` says `pending` of an order that was never taken, too.
        answer = await _asked(session, "POST", orders_url, json=order, headers={"Idempotency-Key": key})
        status_url = urljoin(orders_url, answer.get("status_url", ""))
        while answer["status"] not in TERMINAL:
            await asyncio.sleep(POLL_SECONDS)
            answer = await _asked(session, "GET", status_url)
        return answer


async def _asked(session: aiohttp.ClientSession, method: str, url: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - aiohttp's own options
    """Ask until there is an answer that says something."""
    while True:
        pause = random.uniform(1, 3)  # noqa: S311 - spreads clients; nothing secret
        try:
            async with session.request(method, url, timeout=ONE_ANSWER, **request) as response:
                if response.ok:
                    answer: dict[str, Any] = await response.json()
                    return answer
                retry_after = response.headers.get("Retry-After", "")
                if response.status < 500 and not retry_after:  # noqa: PLR2004 - from here on it is no fault of ours
                    raise RefusedError(await response.text())
                pause = float(retry_after) if retry_after.isdecimal() else pause
        except (aiohttp.ClientError, OSError):
            pass  # no answer, or half of one: the key makes it safe to ask again
        await asyncio.sleep(pause)


async def main(shop_url: str, product_id: str) -> None:
    """Order one unit and print what became of it."""
    order = {"customer_id": 1, "items": [{"product_id": product_id, "quantity": 1}]}
    async with aiohttp.ClientSession() as session:
        answer = await place(session, urljoin(shop_url, "/orders/async"), order, key=str(uuid.uuid4()))
    sys.stdout.write(f"{json.dumps(answer)}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
