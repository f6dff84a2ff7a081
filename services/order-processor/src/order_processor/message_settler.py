"""From a message to what becomes of it: decode, settle behind the breaker, and ask the decision table."""

from collections.abc import Callable
from datetime import datetime

import structlog

from flashbus.dead_letters import is_redriven
from flashbus.queue import Message
from flashmsg import FlashmsgError, OrderPlaced, decode_sqs_body
from flashops.tracing import Traceparent
from flashpay import (
    CircuitBreaker,
    Delivery,
    Disposition,
    FlashpayError,
    GiveUp,
    GiveUpOrder,
    HandBack,
    HeldBackError,
    Settlement,
    Settler,
    Unanswered,
    decide,
    decide_given_up,
    decide_poison,
)


class MessageSettler:
    """Says what becomes of a message; it does nothing to the message itself.

    Args:
        settler: Settles.
        breaker: Holds a message while everything fails.
        max_receives: A message delivered this often is given up when it fails once more.
        clock: The wall clock that leases are compared with.
    """

    def __init__(
        self, *, settler: Settler, breaker: CircuitBreaker, max_receives: int, clock: Callable[[], datetime]
    ) -> None:
        self._settler = settler
        self._breaker = breaker
        self._max_receives = max_receives
        self._clock = clock

    async def settle(self, message: Message) -> Disposition:
        """Settle the order in a message, as far as that is possible; raises nothing but cancellation."""
        redriven = is_redriven(message.attributes)
        delivery = Delivery(receives=message.receive_count, max_receives=self._max_receives, redriven=redriven)
        try:
            event = decode_sqs_body(message.body)
        except FlashmsgError as exc:
            return decide_poison(exc)
        traceparent = _traceparent(event, message)
        structlog.contextvars.bind_contextvars(order_id=event.data.order_id, trace_id=traceparent.trace_id)
        try:
            ended = await self._settle(event, traceparent, delivery)
        except HeldBackError as exc:
            return HandBack(outcome="handed_back", at_least=exc.after, step=0)
        decided = decide(ended, delivery, now=self._clock())
        if isinstance(decided, GiveUpOrder):
            return await self._give_up(event, decided, delivery)
        return decided

    async def _settle(self, event: OrderPlaced, traceparent: Traceparent, delivery: Delivery) -> Settlement | Exception:
        async def attempt(on_unanswered: Unanswered) -> Settlement:
            return await self._settler.settle(
                event.data,
                traceparent=str(traceparent.child()),
                reservation=event.reservation,
                redriven=delivery.redriven,
                on_unanswered=on_unanswered,
            )

        try:
            return await self._breaker.run(event.data.order_id, attempt, receives_left=delivery.receives_left)
        except HeldBackError:
            raise
        except FlashpayError as exc:
            return exc
        except Exception as exc:  # noqa: BLE001 - a bug of ours must not take the message or its siblings along
            structlog.get_logger().exception("settle_crashed")
            return exc

    async def _give_up(self, event: OrderPlaced, why: GiveUpOrder, delivery: Delivery) -> Disposition:
        ended: GiveUp | Exception
        try:
            ended = await self._settler.give_up(
                event.data,
                reason=why.reason,
                reservation=event.reservation,
                redriven=delivery.redriven,
                uncharged=why.uncharged,
            )
        except FlashpayError as exc:
            ended = exc
        except Exception as exc:  # noqa: BLE001 - as above
            structlog.get_logger().exception("give_up_crashed")
            ended = exc
        return decide_given_up(ended, event.data, why, delivery, now=self._clock())


def _traceparent(event: OrderPlaced, message: Message) -> Traceparent:
    return (
        Traceparent.parse(event.traceparent)
        or Traceparent.parse(message.attributes.get("traceparent"))
        or Traceparent.new()
    )
