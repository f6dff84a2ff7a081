"""Settle an order: claim it in the ledger, charge the gateway, record the answer."""

from flashpay.breaker import Attempt, CircuitBreaker, HeldBackError
from flashpay.charging import Unanswered
from flashpay.claims import Acceptance, Accepted, AlreadyTerminal, Claim, Claimed, ContentMismatch, HeldElsewhere
from flashpay.decisions import (
    Acknowledge,
    DeadLetter,
    Delivery,
    Disposition,
    GiveUpOrder,
    HandBack,
    decide,
    decide_given_up,
    decide_poison,
)
from flashpay.dynamo import DynamoLedger
from flashpay.entries import LedgerEntry
from flashpay.errors import (
    ConflictingChargeError,
    FlashpayError,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    KeyReusedError,
    LedgerRefusedError,
    LedgerUnavailableError,
    StockUnsettledError,
)
from flashpay.gateway import Approved, ChargeKnown, ChargeRequest, ChargeResult, Declined, Gateway, NotCharged
from flashpay.http_gateway import HttpGateway
from flashpay.ledger import Clock, Ledger, RecordedOrder, utc_now
from flashpay.outcomes import Announcer, Publish, outcome_of
from flashpay.reservations import PurchaseLimits, SoldOut, Stock
from flashpay.retention import Retention
from flashpay.settlement import (
    Busy,
    ChargeUnknown,
    Duplicate,
    Finding,
    GivenUp,
    GiveUp,
    Mismatch,
    Settled,
    Settlement,
    Settler,
)
from flashpay.stock import OpenStock, open_stock
from flashpay.table import DynamoClient
from flashpay.unsettled import DynamoUnsettled, UnsettledOrders

__all__ = [
    "Acceptance",
    "Accepted",
    "Acknowledge",
    "AlreadyTerminal",
    "Announcer",
    "Approved",
    "Attempt",
    "Busy",
    "ChargeKnown",
    "ChargeRequest",
    "ChargeResult",
    "ChargeUnknown",
    "CircuitBreaker",
    "Claim",
    "Claimed",
    "Clock",
    "ConflictingChargeError",
    "ContentMismatch",
    "DeadLetter",
    "Declined",
    "Delivery",
    "Disposition",
    "Duplicate",
    "DynamoClient",
    "DynamoLedger",
    "DynamoUnsettled",
    "Finding",
    "FlashpayError",
    "Gateway",
    "GatewayInFlightError",
    "GatewayRefusedError",
    "GatewayUnavailableError",
    "GiveUp",
    "GiveUpOrder",
    "GivenUp",
    "HandBack",
    "HeldBackError",
    "HeldElsewhere",
    "HttpGateway",
    "KeyReusedError",
    "Ledger",
    "LedgerEntry",
    "LedgerRefusedError",
    "LedgerUnavailableError",
    "Mismatch",
    "NotCharged",
    "OpenStock",
    "Publish",
    "PurchaseLimits",
    "RecordedOrder",
    "Retention",
    "Settled",
    "Settlement",
    "Settler",
    "SoldOut",
    "Stock",
    "StockUnsettledError",
    "Unanswered",
    "UnsettledOrders",
    "decide",
    "decide_given_up",
    "decide_poison",
    "open_stock",
    "outcome_of",
    "utc_now",
]
