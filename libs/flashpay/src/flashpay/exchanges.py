"""One request to the payment gateway and its answer: through aiohttp's session, or over connections of our own."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ConnectTimeoutError, ReadTimeoutError
from yarl import URL

from flashpay.errors import GatewayUnavailableError
from flashstock.session_error import session_error

if TYPE_CHECKING:
    import aiohttp

BODY_LIMIT_BYTES = 64 * 1024
# For connections of our own, which count the head in.
ANSWER_LIMIT_BYTES = BODY_LIMIT_BYTES + 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswer:
    """What the gateway, or somebody in its place, said; `retry_after` is the header."""

    status: int
    body: bytes
    retry_after: str = ""


class Exchange(Protocol):
    """Sends requests to the gateway."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        timeout: timedelta,  # noqa: ASYNC109 - of the exchange itself, the wait for a connection included
    ) -> GatewayAnswer:
        """Send one request and read its answer, of at most `BODY_LIMIT_BYTES`; a redirect is an answer.

        Args:
            method: Such as `POST`.
            path: Below the gateway's base URL, percent-encoded.
            body: May be empty.
            headers: All that is to be said of the body and beside it.
            timeout: For everything.

        Raises:
            GatewayUnavailableError: There is none, not in time, or it is too long.
        """
        ...


class SessionExchange:
    """Asks through aiohttp's session.

    Args:
        session: Opened and closed by the caller.
        base_url: Where the gateway is, such as `http://127.0.0.1:8090`.
    """

    def __init__(self, session: "aiohttp.ClientSession", *, base_url: str) -> None:
        self._session = session
        self._base_url = _checked(base_url)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        timeout: timedelta,  # noqa: ASYNC109 - becomes aiohttp's own total timeout
    ) -> GatewayAnswer:
        """See `Exchange.ask`."""
        from aiohttp import ClientTimeout  # noqa: PLC0415 - imported by whoever has a session, and by nobody else

        with _told(timeout):
            async with self._session.request(
                method,
                self._base_url + path,
                data=body or None,
                headers=headers,
                timeout=ClientTimeout(total=timeout.total_seconds()),
                allow_redirects=False,
            ) as response:
                retry_after = response.headers.get("Retry-After", "")
                return GatewayAnswer(
                    status=response.status, body=await _limited_body(response), retry_after=retry_after
                )


class Answered(Protocol):
    """An answer as `Connections` give it; names of headers are in lower case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def is_whole(self) -> bool: ...


class Connections(Protocol):
    """Kept connections to one host, such as `flashbus.wire.direct.DirectTransport`."""

    async def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Send one request, and read its answer; raises botocore's errors where there is none."""
        ...


class DirectExchange:
    """Asks over connections of our own, for a third of the work (decision 79).

    Args:
        connections: To the host of `base_url`, opened and closed by the caller; they bound what is read of an answer.
        base_url: As above.
    """

    def __init__(self, connections: Connections, *, base_url: str) -> None:
        url = URL(_checked(base_url))
        self._connections = connections
        self._prefix = url.raw_path.rstrip("/")
        # None is as much as "any coding" by RFC 9110, and what is compressed is not read here.
        self._fixed = {"host": url.host_port_subcomponent or "", "accept": "*/*", "accept-encoding": "identity"}
        if url.user is not None:
            credentials = b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
            self._fixed["authorization"] = f"Basic {credentials}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        timeout: timedelta,  # noqa: ASYNC109 - as the protocol's
    ) -> GatewayAnswer:
        """See `Exchange.ask`."""
        headers = {**self._fixed, **headers}
        with _told(timeout):
            async with asyncio.timeout(timeout.total_seconds()):
                answer = await self._connections.request(method, self._prefix + path, body, headers)
        if not answer.is_whole or len(answer.body) > BODY_LIMIT_BYTES:
            raise _too_long(answer.status)
        retry_after = answer.headers.get("retry-after", "")
        return GatewayAnswer(status=answer.status, body=answer.body, retry_after=retry_after)


def _checked(base_url: str) -> str:
    url = urlsplit(base_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError(f"the payment gateway's URL must be http(s)://host[:port], not {base_url!r}")
    return base_url.rstrip("/")


@contextmanager
def _told(timeout: timedelta) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, ConnectTimeoutError, ReadTimeoutError) as error:
        raise GatewayUnavailableError(
            f"no answer from the payment gateway in {timeout.total_seconds():g} s", reason="timeout"
        ) from error
    except (*session_error(), BotoCoreError, OSError) as error:
        raise GatewayUnavailableError(
            f"the connection to the payment gateway failed: {error}", reason="connection"
        ) from error


async def _limited_body(response: "aiohttp.ClientResponse") -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise _too_long(response.status)
    return bytes(body)


def _too_long(status: int) -> GatewayUnavailableError:
    return GatewayUnavailableError("the payment gateway's answer is too long", reason="bad_response", status=status)
