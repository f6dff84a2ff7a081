"""The answers about an order that is accepted."""

from typing import cast

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

from order_api.views import OrderAccepted, OrderView, status_url


def acceptance_response(request: web.Request, order_id: str) -> web.StreamResponse:
    """Answer 202: the order is queued."""
    if request.version == HttpVersion11:
        return WrittenAcceptance(order_id)
    return web.Response(
        status=202,
        body=OrderAccepted.json_of(order_id),
        content_type="application/json",
        headers={hdrs.LOCATION: status_url(order_id), hdrs.CACHE_CONTROL: "no-store"},
    )


def order_response(view: OrderView, *, status: int = 200) -> web.Response:
    """Answer with an order; nobody may keep a copy, as it changes."""
    return web.Response(
        status=status,
        body=view.model_dump_json(exclude_none=True).encode(),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )


class WrittenAcceptance(web.StreamResponse):
    """The 202 of HTTP/1.1, written down as a whole: what `web.Response` sends (decision 74).

    Headers that others add before it is sent are sent too.
    """

    def __init__(self, order_id: str) -> None:
        super().__init__(status=202)
        self._order_id = order_id

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send it; nothing is left for `write_eof` to send."""
        self._req = request
        writer = self._payload_writer = request.writer
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        if not self._keep_alive:
            self.headers[hdrs.CONNECTION] = "close"
        ours = cast("web.Request", request)
        if signal := ours.app.on_response_prepare:
            await signal.send(ours, self)
        await writer.write(self._whole())
        await writer.drain()
        return writer

    def _whole(self) -> bytes:
        body = OrderAccepted.json_of(self._order_id)
        added = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        head = (
            f"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Location: {status_url(self._order_id)}\r\nCache-Control: no-store\r\n"
            f"Date: {rfc822_formatted_time()}\r\nServer: {SERVER_SOFTWARE}\r\n{added}\r\n"
        )
        return head.encode() + body
