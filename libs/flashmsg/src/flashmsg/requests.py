"""From the body of an HTTP request to the order that it asks for."""

from pydantic import ValidationError

from flashmsg.documents import faults, field_errors, read_document, read_text
from flashmsg.errors import FieldError, InvalidRequestError, MalformedMessageError
from flashmsg.nesting import too_deep
from flashmsg.orders import MAX_LINES, OrderRequest

_MAX_FIELDS = 20  # an order and its lines have two each


def parse_request(body: bytes) -> OrderRequest:
    """Return the order request in an HTTP body; raises InvalidRequestError that names each field at fault.

    Unknown fields are refused: a client that writes `qty` must not get an order with a default in its place.
    Equal keys are refused too, of which pydantic alone would take the last.
    """
    return _sound_request(body) or _examined_request(body)


def _sound_request(body: bytes) -> OrderRequest | None:
    """Return the request in a body that is certainly sound, as nearly all are, at half the cost; None for any other.

    A sound request has two fields, and two in every line: each takes one colon, and all are needed. As many colons
    and no more leave none for a repeated key.
    """
    colons = body.count(b":")
    if colons > _colons(MAX_LINES) or body.count(b",") > _colons(MAX_LINES) or too_deep(body):
        return None
    try:
        request = OrderRequest.model_validate_json(body)
    except ValidationError:
        return None
    return request if colons == _colons(len(request.items)) else None


def _colons(lines: int) -> int:
    return 2 + 2 * lines


def _examined_request(body: bytes) -> OrderRequest:
    try:
        text = read_text(body)
        document = read_document(text)
    except MalformedMessageError as exc:
        raise InvalidRequestError("Not an order request", errors=exc.errors, well_formed=False) from exc
    _refuse_oversize(document)
    try:
        return OrderRequest.model_validate_json(text)
    except ValidationError as exc:
        well_formed = exc.error_count() > 1 or exc.errors()[0]["type"] != "json_invalid"
        found = faults(text) or field_errors(exc)
        raise InvalidRequestError("Not an order request", errors=found, well_formed=well_formed) from exc


def _refuse_oversize(document: object) -> None:
    # pydantic finds every fault before it stops: 64 KiB of wrong lines or fields would hold a server for 0.2 s.
    lines = document.get("items") if isinstance(document, dict) else None
    if isinstance(lines, list) and len(lines) > MAX_LINES:
        fault = FieldError(loc=("items",), message=f"An order has at most {MAX_LINES} lines, not {len(lines)}")
        raise InvalidRequestError("Not an order request", errors=[fault], well_formed=True)
    _refuse_wide((), document)
    for index, line in enumerate(lines if isinstance(lines, list) else ()):
        _refuse_wide(("items", index), line)


def _refuse_wide(loc: tuple[str | int, ...], value: object) -> None:
    if isinstance(value, dict) and len(value) > _MAX_FIELDS:
        fault = FieldError(loc=loc, message=f"An object has at most {_MAX_FIELDS} fields, not {len(value)}")
        raise InvalidRequestError("Not an order request", errors=[fault], well_formed=True)
