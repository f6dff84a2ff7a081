"""Typed messages of the flash-sale order path and their codec."""

from flashmsg.codec import (
    decode,
    decode_lambda_sns_record,
    decode_lambda_sqs_record,
    decode_sqs_body,
    encode,
    json_schema,
    parse_request,
)
from flashmsg.dead_letters import (
    DEAD_LETTER_DETAIL,
    DEAD_LETTER_REASON,
    DEAD_LETTER_RECEIVES,
    dead_letter_attributes,
    is_redriven,
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
from flashmsg.statuses import OrderStatus

__all__ = [
    "DEAD_LETTER_DETAIL",
    "DEAD_LETTER_REASON",
    "DEAD_LETTER_RECEIVES",
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
    "UnsupportedVersionError",
    "UtcDatetime",
    "dead_letter_attributes",
    "decode",
    "decode_lambda_sns_record",
    "decode_lambda_sqs_record",
    "decode_sqs_body",
    "encode",
    "is_redriven",
    "json_schema",
    "parse_request",
    "too_deep",
]
