"""Metrics that only our own log lines hold: orders completed, standstills, stuck stock, the function's starts."""

from troposphere import Ref, Template, logs

from cloudformation.resources.execution import Execution
from cloudformation.resources.function import Function

# As the services write them; a test holds them against the code. The outcome, not the order's status: a duplicate of a
# completed order has that status too. An order that ended while the stock table was away has `settled` in that line.
PROCESSOR_COMPLETED = '{ $.event = "message_handled" && ($.outcome = "completed" || $.settled = "completed") }'
FUNCTION_COMPLETED = '{ $.event = "record_consumed" && ($.outcome = "completed" || $.settled = "completed") }'
FUNCTION_STARTED = '{ $.event = "cold_start" }'
RECONCILED = '{ $.event = "reconciled" && $.applied IS TRUE && $.complete IS TRUE }'
CHARGE_CONFLICT = '{ $.event = "charge_conflict" || $.event = "refund_refused" }'
COMPLETED = "OrdersCompleted"
COLD_START = "ColdStartSeconds"
RUNS = "ReconcilerRuns"
CONFLICTS = "ChargeConflicts"
PROCESSOR_STALLED = '{ $.event = "processor_stalled" }'
SESSION_RECLAIMED = '{ $.event = "stock_session_reclaimed" }'
ORDER_STUCK = '{ $.event = "order_not_withdrawn" || $.event = "order_not_published_again" }'
SESSION_STUCK = '{ $.event = "stock_session_not_reclaimed" }'
STALLED = "ProcessorStalled"
STOCK_RECLAIMED = "StockSessionsReclaimed"
STOCK_STUCK = "StockOrdersStuck"
# One namespace per stack, so that the metrics need no dimensions.
NAMESPACE = Ref("AWS::StackName")


def add_metric_filters(template: Template, *, execution: Execution, function: Function) -> None:
    """Add the filters that turn log lines into metrics."""
    processor, handler = execution.log_group, function.log_group
    _add_filter(template, "ProcessorCompleted", processor, PROCESSOR_COMPLETED, COMPLETED, "1")
    _add_filter(template, "ReconcilerRun", processor, RECONCILED, RUNS, "1")
    _add_filter(template, "ReconcilerConflict", processor, CHARGE_CONFLICT, CONFLICTS, "1")
    # Whichever service it is that reclaims: they all write to one log.
    _add_filter(template, "StockReclaimed", processor, SESSION_RECLAIMED, STOCK_RECLAIMED, "1")
    _add_filter(template, "StockStuck", processor, ORDER_STUCK, STOCK_STUCK, "1")
    _add_filter(template, "StockSessionStuck", processor, SESSION_STUCK, STOCK_STUCK, "1")
    _add_filter(template, "ProcessorStalled", processor, PROCESSOR_STALLED, STALLED, "1")
    _add_filter(template, "FunctionCompleted", handler, FUNCTION_COMPLETED, COMPLETED, "1")
    _add_filter(template, "FunctionStarts", handler, FUNCTION_STARTED, COLD_START, "$.init_seconds")


def _add_filter(template: Template, title: str, group: logs.LogGroup, pattern: str, metric: str, value: str) -> None:
    template.add_resource(
        logs.MetricFilter(
            title,
            LogGroupName=group.ref(),
            FilterPattern=pattern,
            MetricTransformations=[
                logs.MetricTransformation(MetricNamespace=NAMESPACE, MetricName=metric, MetricValue=value)
            ],
        )
    )
