"""Typed messages of the flash-sale order path and their codec."""

from flashmsg.codec import (
    decode,
    decode_lambda_sns_record,
    decode_lambda_sqs_record,
    decode_outcome,
    decode_sqs_body,
    encode,
    encode_placed,
    json_schema,
)
from flashmsg.errors import (
    FieldError,
    FlashmsgError,
    InvalidRequestError,
    MalformedMessageError,
    UnsupportedVersionError,
)
from flashmsg.events import ORDER_API_SOURCE, ORDER_PLACED_TYPE, CloudEvent, OrderPlaced
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
from flashmsg.outcomes import OUTCOME_TYPES, OUTCOMES_SOURCE, EndedOrder, OrderOutcome, outcome_type
from flashmsg.requests import parse_request
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
    "OUTCOMES_SOURCE",
    "OUTCOME_TYPES",
    "CloudEvent",
    "Currency",
    "CustomerId",
    "EndedOrder",
    "FieldError",
    "FlashmsgError",
    "InvalidRequestError",
    "MalformedMessageError",
    "Order",
    "OrderId",
    "OrderOutcome",
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
    "decode_outcome",
    "decode_sqs_body",
    "encode",
    "encode_placed",
    "json_schema",
    "outcome_type",
    "parse_request",
    "too_deep",
]
