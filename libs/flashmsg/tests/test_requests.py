import json

import pytest

from flashmsg import InvalidRequestError, MalformedMessageError, OrderRequest, RequestedLine, parse_request

GOOD = b'{"customer_id":1,"items":[{"product_id":"sneaker-42","quantity":2},{"product_id":"cap","quantity":1}]}'


def refusal(body: bytes) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(body)
    return caught.value


def test_good_request() -> None:
    assert parse_request(GOOD) == OrderRequest(
        customer_id=1,
        items=(RequestedLine(product_id="sneaker-42", quantity=2), RequestedLine(product_id="cap", quantity=1)),
    )


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        (b'"customer_id":1', b'"customer_id":0', "/customer_id"),
        (b'"customer_id":1', b'"customer_id":1.0', "/customer_id"),
        (b'"customer_id":1', b'"customer_id":true', "/customer_id"),
        (b'"customer_id":1', b'"customer_id":"1"', "/customer_id"),
        (b'"customer_id":1', b'"customer_id":null', "/customer_id"),
        (b'"customer_id":1', b'"customer_id":9007199254740992', "/customer_id"),
        (b'"customer_id":1,', b"", "/customer_id"),
        (b'"customer_id":1', b'"customer_id":1,"total_minor":1', "/total_minor"),
        (b'"quantity":2', b'"quantity":0', "/items/0/quantity"),
        (b'"quantity":2', b'"quantity":101', "/items/0/quantity"),
        (b'"quantity":2', b'"quantity":-1', "/items/0/quantity"),
        (b'"quantity":2', b'"quantity":2,"unit_price_minor":1', "/items/0/unit_price_minor"),
        (b'"sneaker-42"', b'"Sneaker"', "/items/0/product_id"),
        (b'"sneaker-42"', b'""', "/items/0/product_id"),
        (b'"sneaker-42"', b'"cap\\n"', "/items/0/product_id"),
        (b'"sneaker-42"', b'"cap\\u0000"', "/items/0/product_id"),
        (b'"sneaker-42"', b'"cap"', "/items/1/product_id"),
        (b'"items":[', b'"items":{"a":1},"b":[', "/items"),
        (b'{"product_id":"cap","quantity":1}', b"7", "/items/1"),
    ],
)
def test_well_formed_but_wrong_names_the_field(old: bytes, new: bytes, pointer: str) -> None:
    assert old in GOOD
    error = refusal(GOOD.replace(old, new))
    assert pointer in [found.pointer for found in error.errors]
    assert error.well_formed


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        (b'"customer_id":1', b'"customer_id":1,"customer_id":1', "/customer_id"),
        (b'"quantity":2', b'"quantity":1,"quantity":2', "/items/0/quantity"),
        (b'"customer_id":1', b'"customer_id":NaN', "/customer_id"),
        (b'"quantity":2', b'"quantity":-Infinity', "/items/0/quantity"),
        (b'"customer_id":1', b'"customer_id":' + b"9" * 5000, "/customer_id"),
        (b'"cap"', b'"\\ud800"', "/items/1/product_id"),
        (b'"customer_id":1', b'"\\ud800":1', "/\\ud800"),
        (b'"cap"', b'"\xff"', ""),
        (GOOD, b"", ""),
        (GOOD, b"\xef\xbb\xbf" + GOOD, ""),
        (GOOD, GOOD + b"x", ""),
        (GOOD, GOOD[:-1], ""),
        (GOOD, b"[" * 60_000, ""),
        (GOOD, b'{"a":' * 300 + b"1" + b"}" * 300, ""),
        (GOOD, GOOD.decode().encode("utf-16"), ""),
    ],
)
def test_not_strict_json_names_the_place(old: bytes, new: bytes, pointer: str) -> None:
    error = refusal(GOOD.replace(old, new))
    assert pointer in [found.pointer for found in error.errors]
    assert not error.well_formed


@pytest.mark.parametrize(
    ("digits", "said"),
    [(20, "Input should be less than or equal to 9007199254740991"), (21, "Number out of range")],
)
def test_a_number_of_more_than_twenty_digits_is_not_even_read(digits: int, said: str) -> None:
    error = refusal(GOOD.replace(b'"customer_id":1', b'"customer_id":' + b"9" * digits))
    assert [str(found) for found in error.errors] == [f"/customer_id: {said}"]


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"true"])
def test_other_json_is_refused(body: bytes) -> None:
    error = refusal(body)
    assert error.well_formed
    assert isinstance(error, MalformedMessageError)
    assert [found.message for found in error.errors] == ["Input should be an object"]


def test_a_nul_is_called_one() -> None:
    error = refusal(GOOD.replace(b'"cap"', b'"cap\\u0000"'))
    assert [str(found) for found in error.errors] == ["/items/1/product_id: Text must not contain NUL"]


def test_number_of_fields_is_limited() -> None:
    many = ",".join(f'"f{number}":1' for number in range(20)).encode()
    error = refusal(GOOD.replace(b'"customer_id":1', b'"customer_id":1,' + many))
    assert [str(found) for found in error.errors] == ["An object has at most 20 fields, not 22"]
    error = refusal(GOOD.replace(b'"product_id":"cap"', b'"product_id":"cap",' + many))
    assert [str(found) for found in error.errors] == ["/items/1: An object has at most 20 fields, not 22"]
    twenty = refusal(GOOD.replace(b'"customer_id":1', b'"customer_id":1,' + many.rsplit(b",", 2)[0]))
    assert len(twenty.errors) == 18  # each of them is named


def test_a_long_name_is_shown_by_its_first_sixty_four_letters() -> None:
    names = {length: f"{length}".ljust(length, "x") for length in (64, 65)}
    for length, shown in ((64, names[64]), (65, names[65][:64] + "…")):
        error = refusal(GOOD.replace(b'"customer_id":1', f'"customer_id":1,"{names[length]}":1'.encode()))
        assert [found.pointer for found in error.errors] == [f"/{shown}"]


@pytest.mark.parametrize("lines", [1, 2, 50])
def test_a_sound_request_is_read_once(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    items = ",".join(f'{{"product_id":"p{number}","quantity":1}}' for number in range(lines))
    monkeypatch.setattr("flashmsg.requests.read_text", lambda _body: pytest.fail("it is examined"))
    assert len(parse_request(f'{{"customer_id":1,"items":[{items}]}}'.encode()).items) == lines


def test_number_of_lines_is_limited() -> None:
    lines = [{"product_id": f"p{n}", "quantity": 1} for n in range(51)]
    assert parse_request(json.dumps({"customer_id": 1, "items": lines[:50]}).encode()).items[49].product_id == "p49"
    assert refusal(json.dumps({"customer_id": 1, "items": lines}).encode()).errors[0].pointer == "/items"
    assert refusal(b'{"customer_id":1,"items":[]}').errors[0].pointer == "/items"


def test_errors_are_few_and_short_and_can_be_printed_whatever_the_client_wrote() -> None:
    members = ",".join(f'"{"k" * 200}\\ud800{n}":NaN' for n in range(500))
    errors = refusal(f"{{{members}}}".encode()).errors
    assert len(errors) == 20
    assert all(len(error.pointer.encode()) < 100 for error in errors)


def test_too_many_lines_are_counted_before_they_are_checked() -> None:
    errors = refusal(b'{"customer_id":1,"items":[' + b"{}," * 20_000 + b"{}]}").errors
    assert [(error.pointer, error.message) for error in errors] == [
        ("/items", "An order has at most 50 lines, not 20001")
    ]


def test_of_many_wrong_lines_twenty_are_told() -> None:
    lines = ",".join(f'{{"product_id":"p{number}","quantity":0}}' for number in range(21))
    errors = refusal(f'{{"customer_id":1,"items":[{lines}]}}'.encode()).errors
    assert [error.pointer for error in errors] == [f"/items/{number}/quantity" for number in range(20)]


def test_a_product_in_two_lines_is_told_in_our_words() -> None:
    (error,) = refusal(GOOD.replace(b"sneaker-42", b"cap")).errors
    assert (error.pointer, error.message) == (
        "/items/1/product_id",
        "An earlier line has this product; send one line with the sum of the quantities",
    )


def test_pointer_escapes_keys() -> None:
    assert refusal(GOOD.replace(b'"customer_id":1', b'"customer_id":1,"a/~b":1')).errors[0].pointer == "/a~1~0b"


def test_one_bad_line_is_not_also_called_an_empty_order() -> None:
    body = b'{"customer_id":1,"items":[{"product_id":"cap","quantity":0}]}'
    assert [error.pointer for error in refusal(body).errors] == ["/items/0/quantity"]
    assert [error.pointer for error in refusal(b'{"customer_id":1,"items":[]}').errors] == ["/items"]
