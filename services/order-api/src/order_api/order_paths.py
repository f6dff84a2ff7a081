"""The order that the path of a request names."""

from aiohttp import web

from order_api.app_keys import INTAKE
from order_api.rejections import Rejection
from order_api.telemetry import REQUEST_CONTEXT


def order_id_of(request: web.Request) -> str:
    """The order in the path. Nobody can guess one: who has it may ask about the order, and cancel it.

    Raises:
        Rejection: 404 for an id that is not ours.
    """
    order_id = request.match_info["order_id"]
    if not request.app[INTAKE].ids.owns(order_id):
        raise Rejection.of_field(404, "unknown_order", "order_id", "There is no such order")
    request[REQUEST_CONTEXT].fields["order_id"] = order_id
    return order_id
