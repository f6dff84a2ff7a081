"""The exposition speaks the format the scraper asks for."""

from pathlib import Path

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter

from flashops.metrics import add_metrics_route, exposition, outcome_counter, process_registry


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("orders_settled", "Orders settled.", registry=registry).inc(3)
    return registry


def test_plain_text_without_a_preference(registry: CollectorRegistry) -> None:
    body, content_type = exposition(registry, "")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert b"orders_settled_total 3.0" in body
    assert b"# EOF" not in body


def test_openmetrics_when_asked_for(registry: CollectorRegistry) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5"
    body, content_type = exposition(registry, accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=abc", "text/plain;version=", ";;,=", "*/*"])
def test_a_strange_preference_still_gets_the_metrics(registry: CollectorRegistry, accept: str) -> None:
    assert b"orders_settled_total 3.0" in exposition(registry, accept)[0]


async def test_the_route_negotiates(registry: CollectorRegistry) -> None:
    app = web.Application()
    add_metrics_route(app, registry)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0;")
        assert (await answer.read()).endswith(b"# EOF\n")


def test_every_process_shows_itself() -> None:
    shown = exposition(process_registry(lines_dropped=lambda: 7), "")[0]
    assert b"python_info{" in shown
    assert b"python_gc_collections_total{" in shown
    assert b"log_lines_dropped_total 7.0" in shown


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_every_process_shows_its_cpu_and_memory() -> None:
    shown = exposition(process_registry(lines_dropped=lambda: 0), "")[0]
    assert b"process_cpu_seconds_total " in shown
    assert b"process_resident_memory_bytes " in shown


def test_an_end_that_is_owed_is_counted_apart_and_logged(registry: CollectorRegistry) -> None:
    told = outcome_counter(registry)
    with structlog.testing.capture_logs() as lines:
        for number in range(3):
            told(f"ord_{number}", None)
        told("ord_a", ConnectionError("gone"))
    counts = [registry.get_sample_value("outcome_events_total", {"result": result}) for result in ("told", "owed")]
    assert counts == [3, 1]
    assert lines == [
        {"event": "outcome_owed", "log_level": "warning", "order_id": "ord_a", "error": "ConnectionError('gone')"}
    ]
