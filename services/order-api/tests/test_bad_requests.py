"""The corpus of bad requests, sent as bytes over a real socket.

A case has a `status` and the `field` that the problem must name (null: any). Its body is `body`, `body_hex`, or
made by `generate`. `headers` replace the usual media type, `path` both intake paths. A case with `protocol` is
no HTTP at all: its bytes are `raw` or `raw_hex`, and the HTTP parser itself answers, in plain text.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from order_api.testing import Answer, RunningApi, exchange, read_answer

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "corpus" / "bad_requests.json").read_text())
INTAKE = ("/orders/async", "/orders/sync")
# By these words clients and dashboards tell one refusal from another.
KINDS = {
    (400, "idempotency-key"),
    (400, "malformed"),
    (404, "not-found"),
    (404, "unknown-order"),
    (405, "method-not-allowed"),
    (413, "too-large"),
    (415, "content-encoding"),
    (415, "media-type"),
    (422, "invalid"),
    (422, "unpriceable"),
}
PROTOCOL_CASES = [case for case in CASES if case.get("protocol")]
HTTP_CASES = [case for case in CASES if not case.get("protocol")]
TARGETS = [(case, path) for case in HTTP_CASES for path in ([case["path"]] if "path" in case else INTAKE)]


def body_of(case: Mapping[str, Any]) -> bytes:
    if "body_hex" in case:
        return bytes.fromhex(case["body_hex"])
    if "generate" in case:
        return generated(**case["generate"]).encode()
    return str(case["body"]).encode()


def generated(  # noqa: PLR0913 - the fields of a case
    *,
    kind: str,
    times: int = 0,
    depth: int = 0,
    text: str = "",
    open: str = "",  # noqa: A002 - as it stands in the case
    close: str = "",
    middle: str = "",
    before: str = "",
    after: str = "",
) -> str:
    if kind == "nested":
        return before + open * depth + middle + close * depth + after
    if kind == "numbered":
        return before + "".join(text % number for number in range(times)) + after
    return before + text * times + after


def request_of(case: Mapping[str, Any], path: str) -> bytes:
    body = body_of(case)
    headers = [*case.get("headers", [["Content-Type", "application/json"]]), ["Host", "shop"], ["Connection", "close"]]
    if case.get("chunked"):
        headers.append(["Transfer-Encoding", "chunked"])
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        headers.append(["Content-Length", str(len(body))])
    lines = [f"{case.get('method', 'POST')} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def assert_is_problem(answer: Answer) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json
    assert document["status"] == answer.status
    assert document["title"]
    assert document["type"].startswith("urn:flash-sale:problem:")
    assert document["errors"]
    assert all(set(error) == {"field", "message"} and error["message"] for error in document["errors"])
    # Whatever was sent, the answer stays small.
    assert len(answer.body) < 8_192


@pytest.mark.parametrize(("case", "path"), TARGETS, ids=[f"{case['name']} {path}" for case, path in TARGETS])
async def test_a_bad_request_is_the_clients_fault_and_leaves_no_trace(
    shop: RunningApi, case: Mapping[str, Any], path: str
) -> None:
    answer = await exchange(shop.port, request_of(case, path))
    assert answer.status == case["status"]
    assert answer.problem in KINDS
    assert_is_problem(answer)
    assert case["field"] is None or case["field"] in answer.fields
    assert shop.topic.calls == []
    assert shop.ledger.calls == []
    assert shop.gateway.requests == []
    # The server goes on, and takes the order once it is right.
    assert (await shop.order("async")).status == 202


@pytest.mark.parametrize("case", PROTOCOL_CASES, ids=[case["name"] for case in PROTOCOL_CASES])
async def test_what_is_no_http_is_refused_and_the_connection_closed(
    shop: RunningApi, case: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    request = bytes.fromhex(case["raw_hex"]) if "raw_hex" in case else case["raw"].encode()
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(request)
        answer = await read_answer(reader)
        assert await reader.read() == b""
        writer.close()
    assert answer.status == case["status"]
    assert shop.topic.calls == []
    # Anyone can send such bytes: they are counted, and fill no log.
    assert caplog.records == []
    assert shop.metric("http_server_malformed_requests_total") + shop.metric(
        "orders_rejected_total", reason="unreadable_body"
    )
    assert (await shop.order("async")).status == 202


def test_the_corpus_is_large_and_has_no_case_twice() -> None:
    assert len(CASES) >= 60
    assert len({case["name"] for case in CASES}) == len(CASES)
