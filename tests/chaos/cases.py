"""The table of the chaos runs."""

from tests.chaos.faults import (
    AtOnce,
    BadCustomers,
    BadLines,
    Echo,
    Frozen,
    FullDisk,
    FunctionsKilled,
    GatewayBehaves,
    InTurn,
    Killed,
    Poison,
    ReconcilersKilled,
    Restarted,
)
from tests.chaos.harness import Case
from tests.chaos.repair_kills import RedriveKilledAt, Redriven
from tests.chaos.stage import StagePlan
from tests.chaos.step_cases import CANCELLED_TOO, SHORTER, SHORTER_PROCESSOR, STEPS
from tests.chaos.step_kills import ApiKilledAt, ProcessorKilledAt
from tests.chaos.tcp_proxy import Bandwidth, BlackHole, CutReply, Down, Latency, OtherReply, Reset

INTERNAL_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_THROTTLED = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}'
THROTTLED = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_THROTTLED), _THROTTLED)
)
ALL_LINES = ("api-sns", "api-dynamodb", "api-gateway", "processor-sqs", "processor-dynamodb", "processor-gateway")

_TWO = StagePlan(apis=2, processors=2)
_BAD_WAYS = (
    Latency(seconds=0.5),
    Reset(share=0.3),
    CutReply(share=0.3, kept_bytes=40),
    BlackHole(),
    Bandwidth(bytes_a_second=3_000),
    Down(),
)
_DECLINED_TOO = frozenset({"completed", "declined"})
_FAILED_TOO = frozenset({"completed", "failed"})

KILLS = (
    Case(
        name="the processor is killed 50 times during 10,000 orders",
        fault=Killed(what="processor", times=50, between=(1.0, 2.0)),
        orders=10_000,
        rate=60,
        plan=StagePlan(processors=2, payment_seconds=0.1),
        patience_seconds=300,
    ),
    Case(
        name="the API is killed 20 times in a limited sale",
        fault=Killed(what="api", times=20, between=(0.3, 1.0)),
        orders=800,
        rate=20,
        sync_share=0.3,
        plan=StagePlan(apis=2, units=700),
        reconciled=True,
    ),
    Case(
        name="the gateway is killed 10 times",
        fault=Killed(what="gateway", times=10),
        orders=300,
        sync_share=0.2,
        reconciled=True,
    ),
    Case(
        name="workers of the function are killed 20 times",
        fault=FunctionsKilled(times=20),
        orders=120,
        rate=6,
        plan=StagePlan(arm="lambda-sqs", payment_seconds=0.5),
        patience_seconds=180,
    ),
    Case(
        name="the reconciler is killed 20 times, and the API meanwhile",
        fault=AtOnce(faults=(Killed(what="api", times=10, between=(0.5, 1.5)), ReconcilersKilled(times=20))),
        orders=300,
        rate=12,
        sync_share=1.0,
        plan=StagePlan(payment_seconds=0.6),
        reconciled=True,
    ),
    Case(
        name="the processor is stopped past lease and visibility 20 times",
        fault=Frozen(what="processor", times=20, seconds=3.5),
        orders=700,
        rate=10,
        plan=StagePlan(processors=2, processor=SHORTER_PROCESSOR, payment_seconds=0.4),
    ),
    Case(
        name="the API is stopped past its stock lease 5 times in a limited sale",
        fault=Frozen(what="api", times=5, seconds=3.0),
        orders=400,
        plan=StagePlan(apis=2, units=300),
        reconciled=True,
    ),
    Case(
        name="the processor is ended in the middle of a long poll 50 times",
        fault=Restarted(what="processor", times=50),
        orders=80,
        rate=1,
    ),
    Case(
        name="customers cancel while API, processor and gateway are killed",
        fault=AtOnce(
            faults=(
                Killed(what="api", times=12, between=(0.5, 2.0)),
                Killed(what="processor", times=12, between=(0.5, 2.0)),
                Killed(what="gateway", times=8, between=(1.0, 3.0)),
            )
        ),
        orders=500,
        rate=15,
        sync_share=0.2,
        cancel_share=0.6,
        # Slower than they come, so that some are cancelled before they are paid.
        plan=StagePlan(apis=2, processors=2, workers=2, payment_seconds=0.5, units=400),
        ends=CANCELLED_TOO,
        reconciled=True,
        patience_seconds=180,
    ),
    Case(
        name="rolling restarts under load",
        fault=AtOnce(faults=(Restarted(what="api", times=8), Restarted(what="processor", times=8))),
        orders=800,
        rate=40,
        sync_share=0.2,
        plan=_TWO,
    ),
)
OUTAGES = (
    Case(
        name="SNS is down for 30 s",
        fault=BadLines(lines=("api-sns",), fault=Down(), seconds=30),
        orders=400,
        rate=12,
        sync_share=0.1,
    ),
    Case(name="SQS is down for 60 s", fault=BadLines(lines=("processor-sqs",), fault=Down(), seconds=60), orders=600),
    Case(
        name="the ledger is down for 30 s",
        fault=BadLines(lines=("api-dynamodb", "processor-dynamodb"), fault=Down(), seconds=30),
        orders=400,
        rate=12,
        reconciled=True,
    ),
    Case(
        name="the gateway is down for 60 s, longer than the receives of a message would last",
        fault=BadLines(lines=("processor-gateway", "api-gateway"), fault=Down(), seconds=60),
        orders=600,
        plan=StagePlan(processor={"MAX_RECEIVES": "4"}),
    ),
    Case(
        name="the disk is full for 15 s",
        fault=FullDisk(whose=("api", "processor", "gateway"), seconds=15),
        orders=400,
        sync_share=0.2,
        plan=StagePlan(units=1_000),
        reconciled=True,
    ),
    Case(
        name="every line is bad in every way",
        fault=InTurn(
            faults=tuple(BadLines(lines=(line,), fault=way, seconds=2) for line in ALL_LINES for way in _BAD_WAYS)
        ),
        orders=700,
        rate=10,
        sync_share=0.3,
        reconciled=True,
    ),
)
GATEWAYS = (
    Case(
        name="the gateway charges and drops the reply in 20 %",
        fault=GatewayBehaves(behaviour={"lost_reply_rate": 0.2}, seconds=15),
    ),
    Case(
        name="the gateway charges and then answers 500 in 20 %",
        fault=BadLines(
            lines=("processor-gateway", "api-gateway"),
            fault=OtherReply(reply=INTERNAL_ERROR, share=0.2, arrives=True),
            seconds=15,
        ),
        sync_share=0.2,
        reconciled=True,
    ),
    Case(
        name="the gateway forgets its keys after 4 s, and the processor is killed 15 times",
        fault=AtOnce(
            faults=(
                GatewayBehaves(behaviour={"key_seconds": 4.0}, seconds=40),
                Killed(what="processor", times=15, between=(0.5, 1.5)),
            )
        ),
        # What a killed one had charged comes back when its visibility ends, after 5 s.
        plan=StagePlan(processors=2, payment_seconds=0.4, processor={"GATEWAY_KEY_WINDOW_SECONDS": "2"}),
    ),
    Case(
        name="30 % are declined in a limited sale",
        fault=GatewayBehaves(behaviour={"decline_rate": 0.3}, seconds=16),
        plan=StagePlan(units=150),
        ends=_DECLINED_TOO,
    ),
    Case(
        name="charges take 30 times as long, far beyond their timeout",
        fault=GatewayBehaves(behaviour={"latency_seconds": 6.0}, seconds=15),
    ),
    Case(
        name="5 % of the customers fail for ever",
        fault=BadCustomers(share=0.05),
        plan=StagePlan(processor={"MAX_RECEIVES": "5"}),
        ends=_FAILED_TOO,
    ),
    Case(
        name="20 % of the customers fail for ever",
        fault=BadCustomers(share=0.2),
        plan=StagePlan(processor={"MAX_RECEIVES": "5"}),
        ends=_FAILED_TOO,
        patience_seconds=180,
    ),
)
MESSAGES = (
    Case(name="every message is delivered three times and shuffled", fault=Echo(copies=2, seconds=15)),
    Case(name="1 % is poison", fault=Poison(count=10), orders=1_000, rate=60, dead_letters=10),
    Case(
        name="the ledger throttles 20 %",
        fault=BadLines(
            lines=("api-dynamodb", "processor-dynamodb"), fault=OtherReply(reply=THROTTLED, share=0.2), seconds=15
        ),
        sync_share=0.2,
        plan=StagePlan(units=1_000),
        reconciled=True,
    ),
)
# In a broker that keeps what it has acknowledged when it is killed.
BROKER = Case(
    name="SNS and SQS are killed 10 times",
    fault=Killed(what="broker", times=10, between=(1.0, 3.0)),
    orders=400,
    reconciled=True,
)
TABLE = STEPS + KILLS + OUTAGES + GATEWAYS + MESSAGES

SHORT_PLAN = StagePlan(units=1_000, api=SHORTER, processor=SHORTER_PROCESSOR)
SHORT = (
    Case(
        name="the processor is killed at each of its steps, a redrive before it has removed what it sent",
        fault=AtOnce(
            faults=(
                ProcessorKilledAt(),
                InTurn(faults=(RedriveKilledAt(steps=("senders.queue.send.done",), spare=1), Redriven())),
            )
        ),
        orders=20,
        rate=8,
        plan=SHORT_PLAN,
    ),
    Case(
        name="lines lose replies, the gateway charges and answers 500, API and gateway are killed, also in a refund",
        fault=AtOnce(
            faults=(
                BadLines(
                    lines=("api-sns", "api-dynamodb", "processor-sqs", "processor-dynamodb"),
                    fault=CutReply(share=0.2),
                    seconds=2,
                ),
                BadLines(
                    lines=("processor-gateway", "api-gateway"),
                    fault=OtherReply(reply=INTERNAL_ERROR, share=0.3, arrives=True),
                    seconds=2,
                ),
                Killed(what="api", times=1),
                Killed(what="gateway", times=1),
                ApiKilledAt(steps=("refunds.refund.done",)),
            )
        ),
        orders=40,
        rate=20,
        sync_share=0.3,
        cancel_share=0.5,
        plan=SHORT_PLAN,
        ends=CANCELLED_TOO,
        reconciled=True,
    ),
)
# The same trouble as in the first one, for the loop that must not stand it.
CONTROL = Case(
    name="the usual loop is killed while it pays",
    fault=Killed(what="processor", times=1, between=(0.6, 0.8)),
    orders=20,
    rate=30,
    plan=StagePlan(payment_seconds=0.4),
    patience_seconds=5,  # it need not come right
)
