import asyncio
import errno
import re

import pytest
import structlog
from structlog.testing import capture_logs

from order_api import telemetry
from order_api.app_keys import INTAKE
from order_api.testing import RunningApi, exchange, running_shop, wait_until

DURATION = "http_server_request_duration_seconds_count"


def labels(route: str, status: int, method: str = "POST") -> dict[str, str]:
    return {"http_request_method": method, "http_route": route, "http_response_status_code": str(status)}


async def test_every_request_writes_one_canonical_line(shop: RunningApi) -> None:
    with capture_logs() as lines:
        accepted = await shop.order("async")
        await shop.request("GET", accepted.headers["Location"])
        await shop.request("POST", "/orders/async", data=b"{", headers={"Content-Type": "application/json"})
        await shop.request("GET", "/nowhere")
    assert [line["event"] for line in lines] == ["http_request"] * 4
    first, second, third, fourth = lines
    assert (first["method"], first["route"], first["status"]) == ("POST", "/orders/async", 202)
    assert first["order_id"] == accepted.json["order_id"]
    assert first["mode"] == "async"
    assert 0 < first["duration_seconds"] < 5
    assert (second["route"], second["order_id"]) == ("/orders/{order_id}", accepted.json["order_id"])
    assert (third["status"], third["reason"]) == (400, "malformed")
    assert (fourth["route"], fourth["path"], fourth["status"]) == ("unmatched", "/nowhere", 404)


async def test_probes_do_not_fill_the_log(shop: RunningApi) -> None:
    with capture_logs() as lines:
        assert (await shop.request("GET", "/health")).status == 200
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await shop.ask(path)).status == 200
    assert [line["log_level"] for line in lines] == ["debug"]


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
async def test_the_public_port_serves_no_spelling_of_an_operations_path(shop: RunningApi, path: str) -> None:
    assert (await shop.ask(path)).status == 200
    encoded = "/" + "".join(f"%{ord(char):02x}" for char in path[1:])
    for spelling in (
        path,
        f"/%{ord(path[1]):02x}{path[2:]}",
        encoded,
        encoded.upper(),
        f"{path}/",
        f"/{path}",
        f"/.{path}",
        f"/orders/..{path}",
        f"{path}?x=1",
        f"{path};x",
        f"http://shop{path}",
    ):
        for method in ("GET", "HEAD", "POST"):
            request = f"{method} {spelling} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode()
            assert (await exchange(shop.port, request, has_body=method != "HEAD")).status == 404, (method, spelling)


async def test_durations_are_labelled_by_the_route_and_never_by_the_path(shop: RunningApi) -> None:
    await shop.order("async")
    for number in range(20):
        await shop.request("GET", f"/orders/{number}")
        await shop.request("GET", f"/scan/{number}.php")
        await shop.request("PATCH", f"/orders/{number}")
    assert shop.metric(DURATION, **labels("/orders/async", 202)) == 1
    assert shop.metric(DURATION, **labels("/orders/{order_id}", 404, "GET")) == 20
    assert shop.metric(DURATION, **labels("unmatched", 404, "GET")) == 20
    assert shop.metric(DURATION, **labels("unmatched", 405, "PATCH")) == 20
    exposition = (await shop.ask("/metrics")).body.decode()
    assert ".php" not in exposition
    assert len(re.findall(rf"^{DURATION}{{", exposition, re.MULTILINE)) == 4


async def test_a_method_that_nobody_uses_has_no_series_of_its_own(shop: RunningApi) -> None:
    for method in ("PROPFIND", "LINK"):
        assert (await shop.request(method, "/orders/async")).status == 405
    assert shop.metric(DURATION, **labels("unmatched", 405, "_OTHER")) == 2


async def test_of_a_path_that_leads_nowhere_two_hundred_characters_are_logged(shop: RunningApi) -> None:
    with capture_logs() as lines:
        await shop.request("GET", "/" + "x" * 300)
    assert [line["path"] for line in lines] == ["/" + "x" * 199]


async def test_durations_reach_five_minutes(shop: RunningApi) -> None:
    await shop.order("async")
    exposition = (await shop.ask("/metrics")).body.decode()
    assert 'le="300.0"' in exposition


async def test_refused_orders_are_counted_by_reason(shop: RunningApi) -> None:
    await shop.order("async", product_id="gone")
    await shop.order("sync", quantity=0)
    await shop.request("GET", "/orders/nothing")
    assert shop.metric("orders_rejected_total", reason="unpriceable") == 1
    assert shop.metric("orders_rejected_total", reason="invalid") == 1
    assert shop.metric("orders_rejected_total", reason="unknown_order") == 0


async def test_a_bug_of_ours_is_a_500_that_tells_nothing(shop: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    app = shop.runner.app

    bound: list[object] = []

    def broken(*_arguments: object, **_options: object) -> None:
        bound.append(structlog.contextvars.get_contextvars()["trace_id"])
        raise ZeroDivisionError("the secret is 42")

    monkeypatch.setattr(type(app[INTAKE]), "draft", broken)
    with capture_logs() as lines:
        answer = await shop.order("async")
    assert answer.status == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"42" not in answer.body
    assert answer.json["errors"] == [{"field": "request", "message": "Something is wrong on our side"}]
    assert "idempotency_key" not in answer.json
    assert [line["event"] for line in lines] == ["request_failed", "http_request"]
    assert lines[0]["exc_info"]
    assert bound == [lines[1]["trace_id"]] == [answer.headers["traceresponse"].split("-")[1]]


async def test_a_log_that_cannot_be_written_takes_no_answer_away(
    shop: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(_logger: object, _method: str, _event: object) -> str:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(telemetry, "log", structlog.wrap_logger(None, processors=[disk_full]))
    answer = await shop.order("async")
    assert answer.status == 202
    assert [event.id for event in shop.events] == [answer.json["order_id"]]


async def test_health_kept_for_old_clients(shop: RunningApi) -> None:
    answer = await shop.request("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_stopping_finishes_requests_and_drains_the_publisher() -> None:
    async with running_shop(PUBLISH_TIMEOUT_SECONDS="5") as shop:
        shop.topic.gate.clear()
        orders = [asyncio.create_task(shop.order("async", customer_id=number)) for number in range(1, 26)]
        await wait_until(lambda: shop.topic.calls)
        stopping = asyncio.create_task(shop.runner.cleanup())
        await asyncio.sleep(0)
        shop.topic.gate.set()
        answers = await asyncio.gather(*orders)
        await stopping
    assert [answer.status for answer in answers] == [202] * 25
    assert len(shop.topic.published) == 25
