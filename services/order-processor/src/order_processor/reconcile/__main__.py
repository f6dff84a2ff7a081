"""`python -m order_processor.reconcile [--apply]`: one run; without `--apply` it only says what it would do."""

import asyncio
import os
import sys
import time

import structlog

from flashops.command_line import load_settings
from flashops.lifecycle import Shutdown
from flashops.logs import configure_logging
from flashops.owner import owner_name
from flashops.streams import guard_standard_streams
from flashpay import Refunder, Reservations, Settler
from order_processor.reconcile.connections import Connections, open_connections
from order_processor.reconcile.reconciler import ApplyingReconciler, DryReconciler, Outcome, Reconciler, Rest
from order_processor.reconcile.run import Result, Run
from order_processor.reconcile.settings import Settings

SERVICE = "order-reconciler"
APPLY = "--apply"
EXIT_ALARMING = 1
_DESCRIPTION = f"""\
Looks into every order that is not terminal and that nothing has happened to for a while: records what the gateway
knows of it, queues it again if it was not charged, or gives it up if the gateway may have forgotten its key. Finishes
refunds that were decided on, and tells of ends that are owed to the topic of outcomes.

  {APPLY}    do so; without it, only say what would be done

exit status: 0 done; 1 something is left that a run should not leave; 2 wrong usage or settings; 130, 143 stopped
"""


async def run(settings: Settings, *, apply: bool) -> int:
    """Run once; the exit status."""
    started = time.monotonic()
    async with Shutdown() as shutdown, open_connections(settings) as connections:
        result = await Run(
            unsettled=connections.unsettled,
            reconciler=_reconciler(settings, connections, apply=apply),
            after=settings.reconcile_after,
            limit=settings.reconcile_limit,
            stop=shutdown.event,
            say=_say,
        ).go()
        _sum_up(result, apply=apply, seconds=time.monotonic() - started)
        if shutdown.signal is not None:
            return 128 + shutdown.signal
    return EXIT_ALARMING if result.alarming else 0


def _reconciler(settings: Settings, connections: Connections, *, apply: bool) -> Reconciler:
    rest = Rest(after=settings.reconcile_after, key_window=settings.gateway_key_window)
    if not apply:
        return DryReconciler(
            ledger=connections.ledger, gateway=connections.gateway, refunds=connections.refunds, rest=rest
        )
    stock = None if connections.stock is None else connections.stock.endings
    limits = None if connections.stock is None else connections.stock.limits
    settler = Settler(
        ledger=connections.ledger,
        gateway=connections.gateway,
        stock=stock,
        limits=limits,
        announcer=connections.announcer,
        owner=owner_name(SERVICE),
        lease=settings.lease,
        payment_timeout=settings.payment_timeout,
    )
    refunder = Refunder(
        ledger=connections.ledger,
        refunds=connections.refunds,
        reservations=Reservations(stock=stock, limits=limits),
        timeout=settings.payment_timeout,
        key_window=settings.gateway_key_window,
    )
    return ApplyingReconciler(
        ledger=connections.ledger,
        settler=settler,
        refunder=refunder,
        orders=connections.orders,
        dead_letters=connections.dead_letters,
        announcer=connections.announcer,
        rest=rest,
    )


def _say(order_id: str, outcome: Outcome) -> None:
    structlog.get_logger().info("order_reconciled", order_id=order_id, outcome=outcome.value)


def _sum_up(result: Result, *, apply: bool, seconds: float) -> None:
    counts = {outcome.value: result.outcomes[outcome] for outcome in Outcome}
    structlog.get_logger().info(
        "reconciled", applied=apply, complete=result.complete, seconds=round(seconds, 3), **counts
    )


def main() -> None:
    """Run once."""
    guard_standard_streams()
    arguments = [argument for argument in sys.argv[1:] if argument != APPLY]
    settings = load_settings(
        Settings,
        program="python -m order_processor.reconcile",
        description=_DESCRIPTION,
        argv=arguments,
        environ=os.environ,
    )
    configure_logging(service=SERVICE, level=settings.log_level, environment=settings.environment)
    sys.exit(asyncio.run(run(settings, apply=len(arguments) < len(sys.argv) - 1)))


if __name__ == "__main__":
    main()
