"""The part of the table where programs are killed at each of their steps."""

from tests.chaos.faults import BadCustomers, InTurn
from tests.chaos.harness import Case
from tests.chaos.left_behind import in_refund, too_old
from tests.chaos.repair_kills import (
    EXPIRED,
    EXPIRING_STEPS,
    REFUND_STEPS,
    ReconcilerKilledAt,
    RedriveKilledAt,
    Redriven,
)
from tests.chaos.stage import StagePlan
from tests.chaos.step_kills import (
    CANCELLING_STEPS,
    GIVING_UP_STEPS,
    ApiKilledAt,
    FunctionKilledAt,
    ProcessorKilledAt,
)

CANCELLED_TOO = frozenset({"completed", "cancelled", "refunded"})
# What a slot holds for long must not outlive a frozen process by much.
SHORTER = {"PAYMENT_TIMEOUT_SECONDS": "1", "LEASE_SECONDS": "2"}
SHORTER_PROCESSOR = SHORTER | {"VISIBILITY_SECONDS": "3"}
_STEPS_PLAN = StagePlan(units=100_000, api=SHORTER, processor=SHORTER_PROCESSOR)
STEPS = (
    Case(
        name="the processor is killed 20 times at each of its steps",
        fault=ProcessorKilledAt(rounds=20),
        orders=50,
        rate=8,
        plan=_STEPS_PLAN,
    ),
    Case(
        name="the API is killed 20 times at each of its steps",
        fault=ApiKilledAt(rounds=20),
        orders=50,
        rate=8,
        sync_share=0.5,
        plan=_STEPS_PLAN,
        reconciled=True,
        patience_seconds=900,  # the 320 sessions of those that died are reclaimed one after the other
    ),
    Case(
        name="the function is killed 20 times at each of its steps",
        fault=FunctionKilledAt(rounds=20),
        orders=50,
        rate=4,
        plan=_STEPS_PLAN,
    ),
    Case(
        name="the reconciler is killed 20 times at each of its steps",
        fault=ReconcilerKilledAt(rounds=20),
        orders=50,
        rate=2,
        reconciled=True,
        patience_seconds=300,
    ),
    Case(
        name="the API is killed 20 times at each step of a cancellation",
        fault=ApiKilledAt(steps=CANCELLING_STEPS, rounds=20),
        orders=50,
        rate=8,
        cancel_share=1.0,
        plan=_STEPS_PLAN,
        ends=CANCELLED_TOO,
        reconciled=True,
        patience_seconds=600,
    ),
    Case(
        name="the reconciler is killed 20 times at each step of a refund",
        fault=ReconcilerKilledAt(steps=REFUND_STEPS, rounds=20, leave=in_refund, each=4),
        orders=50,
        rate=2,
        ends=CANCELLED_TOO,
        reconciled=True,
        patience_seconds=300,
    ),
    Case(
        name="the processor is killed 20 times at each step of giving up, and all is redriven",
        fault=InTurn(
            faults=(
                BadCustomers(share=0.2, times=10),  # all that the gateway takes
                ProcessorKilledAt(steps=GIVING_UP_STEPS, rounds=20, workers=100),
                Redriven(),
            )
        ),
        orders=500,
        rate=8,
        plan=StagePlan(processor=SHORTER_PROCESSOR | {"MAX_RECEIVES": "4"}),
    ),
    Case(
        name="the reconciler is killed 20 times at each step of giving up, and all is redriven",
        fault=InTurn(
            faults=(
                ReconcilerKilledAt(steps=EXPIRING_STEPS, rounds=20, leave=too_old, variables=EXPIRED, each=16),
                Redriven(),
            )
        ),
        orders=50,
        rate=2,
        reconciled=True,
        patience_seconds=300,
    ),
    Case(
        name="a redrive is killed 20 times at each of its steps",
        fault=InTurn(faults=(RedriveKilledAt(rounds=20), Redriven())),
        orders=50,
        rate=2,
    ),
)
