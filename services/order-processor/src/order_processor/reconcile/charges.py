"""Compares the orders that are recorded as paid with the gateway's own books."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from flashmsg import OrderStatus
from flashpay import (
    Approved,
    ConflictingChargeError,
    FlashpayError,
    Gateway,
    GatewayUnavailableError,
    Ledger,
    LedgerEntry,
)
from order_processor.reconcile.reconciler import Outcome, Rest, charge_request

log = structlog.get_logger()

_LOOKUP_TIMEOUT = timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True)
class ChargeComparison:
    """A `Reconciler` that changes nothing: an order that is paid here and not at the gateway is for a human."""

    ledger: Ledger
    gateway: Gateway
    rest: Rest

    async def reconcile(self, order_id: str) -> Outcome:
        """`RESTING` if both books agree, or the gateway may have forgotten; see `Reconciler`."""
        try:
            entry = await self.ledger.get(order_id)
            if entry is None or entry.status is not OrderStatus.COMPLETED or not self.rest.is_remembered(entry):
                return Outcome.RESTING
            return await self._compare(entry)
        except ConflictingChargeError as exc:
            return _conflict(order_id, str(exc))
        except GatewayUnavailableError:
            return Outcome.UNKNOWN
        except FlashpayError:
            return Outcome.FAILED

    async def _compare(self, entry: LedgerEntry) -> Outcome:
        known = await self.gateway.lookup(charge_request(entry), timeout=_LOOKUP_TIMEOUT)
        if isinstance(known, Approved) and known.charge_id == entry.charge_id:
            return Outcome.RESTING
        return _conflict(entry.order_id, f"recorded as paid by {entry.charge_id}, but the gateway answers {known}")


def _conflict(order_id: str, error: str) -> Outcome:
    log.error("charge_conflict", order_id=order_id, error=error)
    return Outcome.CONFLICT
