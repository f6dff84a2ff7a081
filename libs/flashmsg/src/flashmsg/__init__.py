"""Typed messages of the flash-sale order path and their codec."""

from flashmsg.codec import (
    decode,
    decode_lambda_sns_record,
    decode_lambda_sqs_record,
    decode_sqs_body,
    encode,
    encode_placed,
    json_schema,
    parse_request,
)
from flashmsg.errors import (
    FieldError,
    FlashmsgError,
    InvalidRequestError,
    MalformedMessageError,
    UnsupportedVersionError,
)
from flashmsg.events import ORDER_API_SOURCE, ORDER_PLACED_TYPE, OrderPlaced
from flashmsg.nesting import MAX_DEPTH, too_deep
from flashmsg.orders import (
    MAX_LINES,
    MAX_QUANTITY,
    MAX_SAFE_INTEGER,
    MAX_UNIT_PRICE_MINOR,
    Currency,
    CustomerId,
    Order,
    OrderId,
    OrderRequest,
    PricedLine,
    ProductId,
    Quantity,
    RequestedLine,
    UtcDatetime,
)
from flashmsg.reservations import Reservation, ReservationId
from flashmsg.statuses import OrderStatus

__all__ = [
    "MAX_DEPTH",
    "MAX_LINES",
    "MAX_QUANTITY",
    "MAX_SAFE_INTEGER",
    "MAX_UNIT_PRICE_MINOR",
    "ORDER_API_SOURCE",
    "ORDER_PLACED_TYPE",
    "Currency",
    "CustomerId",
    "FieldError",
    "FlashmsgError",
    "InvalidRequestError",
    "MalformedMessageError",
    "Order",
    "OrderId",
    "OrderPlaced",
    "OrderRequest",
    "OrderStatus",
    "PricedLine",
    "ProductId",
    "Quantity",
    "RequestedLine",
    "Reservation",
    "ReservationId",
    "UnsupportedVersionError",
    "UtcDatetime",
    "decode",
    "decode_lambda_sns_record",
    "decode_lambda_sqs_record",
    "decode_sqs_body",
    "encode",
    "encode_placed",
    "json_schema",
    "parse_request",
    "too_deep",
]
