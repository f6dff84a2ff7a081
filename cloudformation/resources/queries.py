"""Saved queries of Logs Insights: what one asks of the services' log in a hurry."""

from troposphere import Sub, Template, logs

from cloudformation.resources.execution import Execution

QUERIES = {
    "OneOrder": "fields @timestamp, @logStream, @message\n| filter order_id = 'ord_…'\n| sort @timestamp",
    "SlowRequests": (
        "filter event = 'http_request'\n"
        "| stats count(*), pct(duration_seconds, 50), pct(duration_seconds, 99) by route, status, bin(1m)"
    ),
    "Outcomes": "filter event = 'message_handled'\n| stats count(*) by outcome, bin(1m)",
    "Warnings": "filter level in ['warning', 'error', 'critical']\n| stats count(*) by event, @logStream",
}


def add_queries(template: Template, *, execution: Execution) -> None:
    """Add the queries, in a folder of the stack's name."""
    for title, text in QUERIES.items():
        template.add_resource(
            logs.QueryDefinition(
                f"{title}Query",
                Name=Sub(f"${{AWS::StackName}}/{title}"),
                QueryString=text,
                LogGroupNames=[execution.log_group.ref()],
            )
        )
