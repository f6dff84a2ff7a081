"""The table of the chaos runs."""

from tests.chaos.faults import AtOnce, BadLines, Killed
from tests.chaos.harness import Case
from tests.chaos.stage import StagePlan
from tests.chaos.tcp_proxy import CutReply, OtherReply

INTERNAL_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_THROTTLED = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}'
THROTTLED = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_THROTTLED), _THROTTLED)
)
ALL_LINES = ("api-sns", "api-dynamodb", "api-gateway", "processor-sqs", "processor-dynamodb", "processor-gateway")

_SHORTER = {"PAYMENT_TIMEOUT_SECONDS": "1", "LEASE_SECONDS": "2"}
SHORT_PLAN = StagePlan(units=1_000, api=_SHORTER, processor=_SHORTER | {"VISIBILITY_SECONDS": "3"})
SHORT = (
    Case(
        name="the processor is killed while it pays",
        fault=Killed(what="processor", times=2, between=(0.3, 0.6)),
        orders=40,
        rate=30,
        plan=SHORT_PLAN,
    ),
    Case(
        name="every line loses replies, and the gateway charges and then answers 500",
        fault=AtOnce(
            faults=(
                BadLines(lines=ALL_LINES[:2] + ALL_LINES[3:5], fault=CutReply(share=0.2), seconds=2),
                BadLines(
                    lines=("processor-gateway", "api-gateway"),
                    fault=OtherReply(reply=INTERNAL_ERROR, share=0.3, arrives=True),
                    seconds=2,
                ),
            )
        ),
        orders=40,
        rate=20,
        sync_share=0.3,
        plan=SHORT_PLAN,
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
    patience_seconds=20,
)
