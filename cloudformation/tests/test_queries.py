"""The saved queries ask for what the services write."""

import re
from typing import Any

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.resources.queries import QUERIES
from cloudformation.tests.template_reading import of_kind

WRITERS = {
    "SlowRequests": "services/order-api/src/order_api/telemetry.py",
    "Outcomes": "libs/flashbus/src/flashbus/dispatcher.py",
}
# What every line has, and what Logs Insights adds.
KNOWN = {"event", "level", "order_id", "bin", "count", "pct"}


@pytest.mark.parametrize("title", sorted(WRITERS))
def test_events_and_fields_are_those_of_the_code(title: str) -> None:
    code = (PROJECT / WRITERS[title]).read_text(encoding="utf-8")
    (event,) = re.findall(r"event = '(\w+)'", QUERIES[title])
    assert f'"{event}"' in code
    for field in set(re.findall(r"(?:pct\(|by |, )([a-z_]+)[, ]", QUERIES[title])) - KNOWN:
        # By keyword, or as a key of the line's fields.
        assert f"{field}=" in code or f'"{field}":' in code, field


def test_every_query_is_saved_for_the_log_of_the_services(whole: dict[str, Any]) -> None:
    saved = of_kind(whole, "AWS::Logs::QueryDefinition").values()
    assert {each["QueryString"] for each in saved} == set(QUERIES.values())
    assert {each["LogGroupNames"][0]["Ref"] for each in saved} == {"ServiceLogs"}
