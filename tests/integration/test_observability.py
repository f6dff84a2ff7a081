"""What an operator sees of a running shop: traces, metrics, log lines and the interface's description."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.shopper import TRACE_ID, TRACEPARENT, Shopper

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(120)]

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
API_METRICS = {
    "http_server_request_duration_seconds",
    "orders_accepted",
    "orders_rejected",
    "orders_settled",
    "publish_batch_entries",
    "publish_duration_seconds",
}
PROCESSOR_METRICS = {
    "processor_slots",
    "processor_slots_busy",
    "processor_settle_duration_seconds",
    "processor_order_duration_seconds",
    "processor_messages",
    "processor_redeliveries",
    "processor_poison",
    "orders_settled",
}
EVERY_LINE = {"service", "environment", "level", "timestamp", "event"}
REQUEST_LINE = EVERY_LINE | {"trace_id", "method", "route", "status", "duration_seconds", "order_id", "mode"}
MESSAGE_LINE = EVERY_LINE | {
    *("trace_id", "message_id", "receive_count", "order_id", "outcome", "duration_seconds"),
    *("status", "attempt", "charge_id", "order_seconds"),
}


def lines_of(log: Path) -> Iterator[dict[str, Any]]:
    # Not one line of another form: everything that a service says is JSON.
    return (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())


async def families(shopper: Shopper, url: str) -> dict[str, dict[str, float]]:
    """The metrics of a service as a scraper reads them: samples by name (labels summed up), by family."""
    media_type, text = await shopper.fetch(f"{url}/metrics", accept=f"{OPENMETRICS};q=0.8,text/plain;q=0.5")
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call] # the library leaves it untyped
        samples = found.setdefault(family.name, {})
        for sample in family.samples:
            samples[sample.name] = samples.get(sample.name, 0) + sample.value
    return found


async def test_what_an_operator_sees_of_an_order(shop_opener: OpenShop) -> None:
    async with shop_opener(workers=7) as (shop, shopper):
        assert shop.processor is not None
        reply = await shopper.order(traceparent=TRACEPARENT)
        order_id = reply.body["order_id"]
        assert await shopper.settled([order_id]) == {"completed": 1}

        (charge,) = await shopper.charge_rows()
        assert charge["order_id"] == order_id
        assert TRACE_ID in charge["traceparent"]

        told = shop.processor.log_path

        async def message_told() -> bool:
            return any(line["event"] == "message_handled" for line in lines_of(told))

        await wait_until(message_told)
        (request,) = (line for line in lines_of(shop.api.log_path) if line["event"] == "http_request")
        assert request.keys() == REQUEST_LINE
        assert (request["trace_id"], request["order_id"], request["status"]) == (TRACE_ID, order_id, 202)
        (message,) = (line for line in lines_of(told) if line["event"] == "message_handled")
        assert message.keys() == MESSAGE_LINE
        assert (message["trace_id"], message["order_id"]) == (TRACE_ID, order_id)
        assert message["charge_id"] == charge["charge_id"]

        api = await families(shopper, shop.api_operations_url)
        assert api.keys() >= API_METRICS
        assert api["orders_accepted"]["orders_accepted_total"] == 1
        assert shop.processor_url is not None
        processor = await families(shopper, shop.processor_url)
        assert processor.keys() >= PROCESSOR_METRICS
        assert processor["processor_slots"]["processor_slots"] == 7
        assert processor["processor_order_duration_seconds"]["processor_order_duration_seconds_count"] == 1

        _, document = await shopper.fetch(f"{shop.api_url}/openapi.json")
        assert list(OpenAPIV31SpecValidator(json.loads(document)).iter_errors()) == []
