"""Bytes to an endpoint and back: straight, or through a proxy."""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from importlib.resources import files
from typing import Protocol
from urllib.parse import urlsplit

from yarl import URL

from flashbus.wire.connection import Answer
from flashbus.wire.direct import DirectTransport
from flashbus.wire.limits import TransportLimits


class Transport(Protocol):
    """Posts bodies to one endpoint."""

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request, and read its answer to the end.

        Raises:
            BotoCoreError: There is no whole answer; the error is the one that aiobotocore raises for the same cause.
        """
        ...


@asynccontextmanager
async def open_transport(
    endpoint_url: str, *, limits: TransportLimits, ca_bundle: str | None
) -> AsyncIterator[Transport]:
    """Open the way to one endpoint; nothing is connected yet. It is closed with the block."""
    tls, proxy = await _tls(endpoint_url, ca_bundle), _proxy(endpoint_url)
    if proxy is not None:
        from flashbus.wire.proxied import open_proxied  # noqa: PLC0415 - aiohttp is a quarter of a cold start

        async with open_proxied(endpoint_url, proxy=proxy, limits=limits, tls=tls) as proxied:
            yield proxied
        return
    with closing(DirectTransport(endpoint_url, limits=limits, tls=tls)) as direct:
        yield direct


def _proxy(url: str) -> str | None:
    """As botocore finds it, whose module for it takes longer to import than all of this package."""
    # Elsewhere the system may know of one as well.
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - a cold start without a proxy does without

    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


async def _tls(endpoint_url: str, ca_bundle: str | None) -> ssl.SSLContext | None:
    if URL(endpoint_url).scheme != "https":
        return None
    # It reads files.
    certificates = ca_bundle or str(files("botocore").joinpath("cacert.pem"))
    return await asyncio.to_thread(ssl.create_default_context, cafile=certificates)
