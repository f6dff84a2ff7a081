"""One reading of every byte, wherever the segments end."""

from itertools import pairwise

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from hypothesis import given
from hypothesis import strategies as st

from flashops.framing import HEAD_LIMIT_BYTES, Framing

LENGTH = b"POST /in HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /in HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123\r\n\r\n\r\n\r\n0\r\n\r\n"
BARE = b"GET /in HTTP/1.1\r\nHost: shop\r\n\r\n"
UPGRADE = b"GET /in HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


def headed(*lines: bytes, method: bytes = b"POST", version: bytes = b"HTTP/1.1", body: bytes = b"") -> bytes:
    return b"\r\n".join([b"%b /in %b" % (method, version), b"Host: shop", *lines]) + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    return headed(b"Transfer-Encoding: chunked", body=body)


@given(
    st.lists(st.sampled_from([LENGTH, CHUNKED, BARE, b"\r\n" + BARE]), min_size=1, max_size=4),
    st.lists(st.integers(0, 600), max_size=12),
)
def test_requests_are_counted_wherever_the_segments_end(requests: list[bytes], cuts: list[int]) -> None:
    stream, framing = b"".join(requests), Framing()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        framing.follow(stream[start:end])
    assert framing.heads == len(requests)
    assert not framing.head_begun


@pytest.mark.parametrize("request_bytes", [LENGTH, CHUNKED, BARE], ids=["length", "chunked", "bare"])
def test_a_head_has_begun_from_its_first_byte_to_its_last(request_bytes: bytes) -> None:
    framing = Framing()
    end = request_bytes.index(b"\r\n\r\n") + 4
    assert not framing.head_begun
    for position in range(end - 1):
        framing.follow(request_bytes[position : position + 1])
        assert framing.head_begun
    framing.follow(request_bytes[end - 1 :])
    assert not framing.head_begun
    framing.follow(b"G")
    assert framing.head_begun


REFUSED = {
    "connect": headed(method=b"CONNECT"),
    "connect with a body": headed(b"Content-Length: 3", method=b"CONNECT", body=b"abc"),
    "no version": b"POST /\r\n\r\n",
    "HTTP/0.9": headed(b"Content-Length: 3", version=b"HTTP/0.9", body=b"abc"),
    "HTTP/1.2": headed(b"Content-Length: 3", version=b"HTTP/1.2", body=b"abc"),
    "HTTP/2.0": headed(b"Content-Length: 3", version=b"HTTP/2.0", body=b"abc"),
    "another protocol": headed(b"Content-Length: 3", version=b"RTSP/1.0", body=b"abc"),
    "two spaces before the version": headed(b"Content-Length: 3", version=b" HTTP/1.1", body=b"abc"),
    "a tab in the request line": headed(b"Content-Length: 3", version=b"\tHTTP/1.1", body=b"abc"),
    "bytes beyond ASCII in the request line": b"GET /\xff HTTP/1.1\r\n\r\n",
    "coding before chunked": headed(b"Transfer-Encoding: gzip, chunked"),
    "chunked twice": headed(b"Transfer-Encoding: chunked, chunked"),
    "empty list member": headed(b"Transfer-Encoding: , chunked"),
    "chunked with a parameter": headed(b"Transfer-Encoding: chunked;q=1"),
    "no coding": headed(b"Transfer-Encoding:"),
    "identity": headed(b"Transfer-Encoding: identity"),
    "two coding headers": headed(b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"),
    "coding with a vertical tab": headed(b"Transfer-Encoding: \x0bchunked"),
    "chunked in HTTP/1.0": headed(b"Transfer-Encoding: chunked", version=b"HTTP/1.0"),
    "length and chunks": headed(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "chunks and length": headed(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    "two equal lengths": headed(b"Content-Length: 3", b"Content-Length: 3"),
    "list of lengths": headed(b"Content-Length: 3, 3"),
    "signed length": headed(b"Content-Length: +3"),
    "hexadecimal length": headed(b"Content-Length: 0x3"),
    "length of 16 digits": headed(b"Content-Length: 1000000000000000"),
    "no length": headed(b"Content-Length:"),
    "folded coding": headed(b"Transfer-Encoding:", b" chunked"),
    "coding folded by a tab": headed(b"Transfer-Encoding:", b"\tchunked"),
    "space before the colon": headed(b"Content-Length: 3", b"Transfer-Encoding : chunked"),
    "bare line feed": headed(b"X: a\nTransfer-Encoding: chunked"),
    "extension": chunked(b"3;a=b\r\nabc\r\n0\r\n\r\n"),
    "extension of the last chunk": chunked(b"0;a\r\n\r\n"),
    "space behind the size": chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    "bare line feed behind the size": chunked(b"3\nabc\r\n0\r\n\r\n"),
    "no size": chunked(b"\r\nabc\r\n0\r\n\r\n"),
    "bare line feed for a size": chunked(b"\n"),
    "size with a prefix": chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
    "size of nine digits": chunked(b"000000003\r\nabc\r\n0\r\n\r\n"),
    "chunk longer than it says": chunked(b"3\r\nabcd\r\n0\r\n\r\n"),
    "trailer": chunked(b"0\r\nX: y\r\n\r\n"),
    "bare line feed at the end": chunked(b"0\r\n\n"),
    "request behind an upgrade": UPGRADE + BARE,
    "request behind an upgrade with a body": headed(b"Upgrade: tcp", b"Content-Length: 3", body=b"abc") + BARE,
    "long head": headed(*[b"X%d: %b" % (n, b"x" * 8_000) for n in range(5)]),
    "long head without an end": b"GET /" + b"x" * HEAD_LIMIT_BYTES,
}


# What comes behind an upgrade in a later segment may have been sent after the answer.
STEPS = [(name, step) for name in REFUSED for step in (1, 7, 10**6) if step > 1 or "behind an upgrade" not in name]


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_what_has_two_readings_is_refused(name: str, step: int) -> None:
    stream, framing = REFUSED[name], Framing()

    def follow() -> None:
        for start in range(0, len(stream), step):
            framing.follow(stream[start : start + step])

    with pytest.raises(BadHttpMessage):
        follow()


SAID = {
    "connect": "CONNECT is not taken",
    "HTTP/2.0": "The request line is not one of HTTP/1.0 or 1.1",
    "bare line feed": "A line ends without a carriage return",
    "folded coding": "A header is folded",
    "coding folded by a tab": "A header is folded",
    "two equal lengths": "The body's length is told more than once",
    "signed length": "Content-Length is no number",
    "chunked twice": "Transfer-Encoding must be exactly chunked, in HTTP/1.1",
    "extension": "A chunk's size must stand alone in its line",
    "chunk longer than it says": "A chunk is longer than it says",
    "trailer": "Trailers are not taken",
    "request behind an upgrade": "Nothing may follow a request to change the protocol",
    "long head": "The head is too long",
}


@pytest.mark.parametrize("name", SAID)
def test_who_is_refused_is_told_why(name: str) -> None:
    with pytest.raises(BadHttpMessage) as caught:
        Framing().follow(REFUSED[name])
    assert caught.value.message == SAID[name]


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["not complete", "complete"])
def test_a_head_has_32_kibibytes_and_not_a_byte_more(end: bytes) -> None:
    longest = b"GET /in HTTP/1.1\r\nX: ".ljust(32 * 1024, b"x")
    framing = Framing()
    framing.follow(longest + end)
    assert framing.heads == bool(end)
    with pytest.raises(BadHttpMessage):
        Framing().follow(longest + b"x" + end)


@pytest.mark.parametrize(
    "request_bytes",
    [
        headed(b"transfer-encoding:CHUNKED", body=b"3\r\nabc\r\n0\r\n\r\n"),
        headed(b"Content-Length:\t3 ", body=b"abc"),
        headed(b"Content-Length: 0"),
        headed(b"X-Content-Length: +3", b"Content-Length-X: 4"),
        headed(b"Content-Length: 3", version=b"HTTP/1.0", body=b"abc"),
        UPGRADE,
        headed(*[b"X%d: %b" % (n, b"x" * 8_000) for n in range(4)]),
    ],
)
def test_what_has_one_reading_is_taken(request_bytes: bytes) -> None:
    framing = Framing()
    framing.follow(request_bytes)
    framing.follow(BARE)
    assert framing.heads == 2
