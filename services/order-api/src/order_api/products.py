"""`GET /products` and `GET /products/{product_id}`: prices and what is left."""

from datetime import timedelta

from aiohttp import hdrs, web

from order_api.app_keys import LISTING, RETRY_AFTER
from order_api.catalogue import CatalogueNotLoadedError
from order_api.product_listing import Representation
from order_api.rejections import Rejection
from order_api.stock_levels import StockNotLoadedError

# What is left changes all the time, and is read again every second.
_CACHE_CONTROL = "public, max-age=1"
_UNTIL_LOADED = timedelta(seconds=1)


async def get_products(request: web.Request) -> web.Response:
    """Answer 200 with everything that is for sale, or 304 to a client that has it."""
    try:
        return _answer(request, request.app[LISTING].all())
    except (CatalogueNotLoadedError, StockNotLoadedError) as exc:
        raise _not_loaded(request) from exc


async def get_product(request: web.Request) -> web.Response:
    """Answer 200 with one product, 304 to a client that has it, 404 when it is not for sale."""
    try:
        product = request.app[LISTING].one(request.match_info["product_id"])
    except (CatalogueNotLoadedError, StockNotLoadedError) as exc:
        raise _not_loaded(request) from exc
    if product is None:
        raise Rejection.of_field(404, "unknown_product", "product_id", "There is no such product")
    return _answer(request, product)


def _answer(request: web.Request, representation: Representation) -> web.Response:
    headers = {hdrs.CACHE_CONTROL: _CACHE_CONTROL, hdrs.ETAG: f'"{representation.etag}"'}
    if _has(request, representation):
        return web.Response(status=304, headers=headers)
    return web.Response(body=representation.body, content_type="application/json", headers=headers)


def _has(request: web.Request, representation: Representation) -> bool:
    # aiohttp tells the star, which anything matches, and a validator "*" in quotation marks alike.
    if request.headers.get(hdrs.IF_NONE_MATCH) == "*":
        return True
    # If-None-Match compares weakly: a cache on the way may have weakened our validator.
    return any(known.value == representation.etag for known in request.if_none_match or ())


def _not_loaded(request: web.Request) -> Rejection:
    return Rejection(
        503,
        "catalogue_unavailable",
        "Prices are not available yet",
        errors=[("products", "Prices are not available yet")],
        retry_after=request.app[RETRY_AFTER].spread(_UNTIL_LOADED),
    )
