"""`python -m order_processor.reconcile [--apply | --charges]`: one run; without `--apply` it changes nothing."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import structlog
from botocore.exceptions import BotoCoreError

from flashops.command_line import load_settings
from flashops.lifecycle import Shutdown
from flashops.logs import configure_logging
from flashops.owner import owner_name
from flashops.streams import guard_standard_streams
from flashpay import Refunder, Reservations, Settler, utc_now
from order_processor.reconcile.charges import ChargeComparison
from order_processor.reconcile.connections import Connections, open_connections
from order_processor.reconcile.metrics_file import write_metrics
from order_processor.reconcile.reconciler import ApplyingReconciler, DryReconciler, Outcome, Reconciler, Rest
from order_processor.reconcile.run import Result, Run
from order_processor.reconcile.settings import Settings

SERVICE = "order-reconciler"
PROGRAM = "python -m order_processor.reconcile"
APPLY, CHARGES = "--apply", "--charges"
EXIT_ALARMING = 1
_DESCRIPTION = f"""\
Looks into every order that is not terminal and that nothing has happened to for a while: records what the gateway
knows of it, queues it again if it was not charged, or gives it up if the gateway may have forgotten its key. Finishes
refunds that were decided on, and tells of ends that are owed to the topic of outcomes.

  {APPLY}    do so; without it, only say what would be done
  {CHARGES}  instead, ask the gateway about every order that is recorded as paid and whose key it still has;
             reads the whole table, and changes nothing

exit status: 0 done; 1 something is left that a run should not leave; 2 wrong usage or settings; 130, 143 stopped
"""


async def run(settings: Settings, *, flag: str | None) -> int:
    """Run once; the exit status."""
    started = time.monotonic()
    async with Shutdown() as shutdown, open_connections(settings) as connections:
        result = await Run(
            find=partial(_orders, settings, connections, charges=flag == CHARGES),
            reconciler=_reconciler(settings, connections, flag),
            limit=settings.reconcile_limit,
            stop=shutdown.event,
            say=_say,
            # A comparison reads the whole table and changes nothing: half a day is time enough.
            time=None if flag == CHARGES else settings.reconcile_time,
        ).go()
        _sum_up(result, settings, flag, seconds=time.monotonic() - started)
        if shutdown.signal is not None:
            return 128 + shutdown.signal
    return EXIT_ALARMING if result.alarming else 0


def _orders(settings: Settings, connections: Connections, *, charges: bool) -> AsyncIterator[str]:
    if charges:
        return connections.paid.paid_since(utc_now() - settings.gateway_key_window)
    return connections.unsettled.untouched_since(utc_now() - settings.reconcile_after)


def _reconciler(settings: Settings, connections: Connections, flag: str | None) -> Reconciler:
    rest = Rest(after=settings.reconcile_after, key_window=settings.gateway_key_window)
    if flag == CHARGES:
        return ChargeComparison(ledger=connections.ledger, gateway=connections.gateway, rest=rest)
    if flag != APPLY:
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


def _sum_up(result: Result, settings: Settings, flag: str | None, *, seconds: float) -> None:
    counts = {outcome.value: result.outcomes[outcome] for outcome in Outcome}
    event = "charges_compared" if flag == CHARGES else "reconciled"
    structlog.get_logger().info(
        event, applied=flag == APPLY, complete=result.complete, seconds=round(seconds, 3), **counts
    )
    if settings.metrics_file and flag == APPLY:
        write_metrics(Path(settings.metrics_file), result, seconds=seconds)


def main() -> None:
    """Run once."""
    guard_standard_streams()
    flag = sys.argv[1] if sys.argv[1:2] in ([APPLY], [CHARGES]) else None
    settings = load_settings(
        Settings,
        program=PROGRAM,
        description=_DESCRIPTION,
        argv=sys.argv[1:] if flag is None else sys.argv[2:],
        environ=os.environ,
    )
    configure_logging(service=SERVICE, level=settings.log_level, environment=settings.environment)
    try:
        status = asyncio.run(run(settings, flag=flag))
    except BotoCoreError as exc:
        # No client could be opened; what goes wrong later is told in the log.
        sys.stderr.write(f"{PROGRAM}: {exc}\n")
        status = EXIT_ALARMING
    sys.exit(status)


if __name__ == "__main__":
    main()
