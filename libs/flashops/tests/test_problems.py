"""Errors are RFC 9457 documents."""

import json

from flashops.problems import problem


def document(body: object) -> object:
    assert isinstance(body, bytes)
    return json.loads(body)


def test_the_smallest_document() -> None:
    answer = problem(404, "No such order")
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert document(answer.body) == {"type": "about:blank", "title": "No such order", "status": 404}


def test_the_full_document() -> None:
    errors = [{"field": "items.0.quantity", "message": "must be at least 1"}]
    answer = problem(
        503, "Busy", detail="Try later", type="/problems/busy", errors=errors, headers={"Retry-After": "2"}
    )
    assert answer.headers["Retry-After"] == "2"
    assert document(answer.body) == {
        "type": "/problems/busy",
        "title": "Busy",
        "status": 503,
        "detail": "Try later",
        "errors": errors,
    }


def test_a_type_of_problem_may_have_members_of_its_own() -> None:
    answer = problem(503, "Outcome unknown", type="/problems/outcome-unknown", members={"idempotency_key": "k1"})
    assert document(answer.body) == {
        "type": "/problems/outcome-unknown",
        "title": "Outcome unknown",
        "status": 503,
        "idempotency_key": "k1",
    }


def test_no_cache_on_the_way_keeps_a_copy() -> None:
    assert problem(404, "No such order").headers["Cache-Control"] == "no-store"
    assert problem(503, "Busy", headers={"Retry-After": "2"}).headers["Cache-Control"] == "no-store"
