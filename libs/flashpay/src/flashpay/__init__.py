"""Settle an order: claim it in the ledger, charge the gateway, record the answer."""

from flashpay.breaker import BreakerGateway, BreakerState
from flashpay.claims import Acceptance, Accepted, AlreadyTerminal, Claim, Claimed, ContentMismatch, HeldElsewhere
from flashpay.dynamo import DynamoLedger
from flashpay.entries import LedgerEntry
from flashpay.errors import (
    ConflictingChargeError,
    FlashpayError,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    LedgerRefusedError,
    LedgerUnavailableError,
)
from flashpay.gateway import Approved, ChargeRequest, ChargeResult, Declined, Gateway
from flashpay.http_gateway import HttpGateway
from flashpay.ledger import Clock, Ledger, RecordedOrder, utc_now
from flashpay.settlement import Busy, Duplicate, Mismatch, Settled, Settlement, Settler
from flashpay.table import DynamoClient

__all__ = [
    "Acceptance",
    "Accepted",
    "AlreadyTerminal",
    "Approved",
    "BreakerGateway",
    "BreakerState",
    "Busy",
    "ChargeRequest",
    "ChargeResult",
    "Claim",
    "Claimed",
    "Clock",
    "ConflictingChargeError",
    "ContentMismatch",
    "Declined",
    "Duplicate",
    "DynamoClient",
    "DynamoLedger",
    "FlashpayError",
    "Gateway",
    "GatewayInFlightError",
    "GatewayRefusedError",
    "GatewayUnavailableError",
    "HeldElsewhere",
    "HttpGateway",
    "Ledger",
    "LedgerEntry",
    "LedgerRefusedError",
    "LedgerUnavailableError",
    "Mismatch",
    "RecordedOrder",
    "Settled",
    "Settlement",
    "Settler",
    "utc_now",
]
