"""SNS: a form there, XML back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ParamValidationError

from flashbus.parser_error import response_parser_error
from flashbus.wire.calls import Caller

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

_HEADERS = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-"
# What JSON is full of: a handful of replacements costs a tenth of quoting byte by byte. The percent sign comes first.
_SIGNS = b'%{} []+/,:"'
_ESCAPES = tuple((bytes([sign]), quote(chr(sign), safe="").encode()) for sign in _SIGNS)
_ID = re.compile(rb"<Id>([^<]+)</Id>")


class SnsCalls:
    """The one call that is made of SNS, with the arguments and the answer of an aiobotocore client."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def publish_batch(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401 - an AWS client's arguments
        """Publish up to ten messages."""
        form = _form(arguments["TopicArn"], arguments["PublishBatchRequestEntries"])
        return _answer(await self._caller.call("PublishBatch", form, _HEADERS))


def _form(topic_arn: str, entries: Sequence[Mapping[str, Any]]) -> bytes:
    if not entries:
        raise ParamValidationError(report="PublishBatchRequestEntries is empty")
    frames, texts = [], [topic_arn]
    for number, entry in enumerate(entries, 1):
        attributes = entry.get("MessageAttributes", {})
        frames.append(_member_frame(number, tuple([(name, value["DataType"]) for name, value in attributes.items()])))
        texts += (entry["Id"], entry["Message"], *[value["StringValue"] for value in attributes.values()])
    return b"".join([b"Action=PublishBatch&Version=2010-03-31&TopicArn=%b", *frames]) % tuple(_all_quoted(texts))


def _all_quoted(texts: Sequence[str]) -> Sequence[bytes]:
    # All at once costs half of one by one. The sign between them is one that stays as it is.
    quoted = _quoted("~".join(texts)).split(b"~")
    return quoted if len(quoted) == len(texts) else [_quoted(text) for text in texts]


@lru_cache(maxsize=256)
def _member_frame(number: int, kinds: Sequence[tuple[str, str]]) -> bytes:
    """One entry of the form but for its id, its message and its attributes' values: a shop sends a handful of kinds."""
    prefix = b"&PublishBatchRequestEntries.member.%d" % number
    frame = b"%b.Id=%%b%b.Message=%%b" % (prefix, prefix)
    for place, kind in enumerate(kinds, 1):
        start = b"%b.MessageAttributes.entry.%d" % (prefix, place)
        name, data_type = (_quoted(text).replace(b"%", b"%%") for text in kind)
        frame += b"%b.Name=%b%b.Value.DataType=%b" % (start, name, start, data_type)
        frame += b"%b.Value.StringValue=%%b" % start
    return frame


def _quoted(text: str) -> bytes:
    quoted = text.encode()
    special = quoted.translate(None, _UNRESERVED)
    if not special:
        return quoted
    if special.translate(None, _SIGNS):
        return quote(quoted, safe="").encode()
    for sign, escape in _ESCAPES:
        if sign in special:
            quoted = quoted.replace(sign, escape)
    return quoted


def _answer(body: bytes) -> Mapping[str, Any]:
    if b"</PublishBatchResponse>" in body and b"<Failed>" not in body:
        return {"Successful": [{"Id": found.decode()} for found in _ID.findall(body)], "Failed": []}
    return _parsed(body)


def _parsed(body: bytes) -> Mapping[str, Any]:
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - a cold start pays for it only when it must

    try:
        # The answer of the endpoint that is configured, over TLS; expat bounds what entities may grow to.
        root = ET.fromstring(body)  # noqa: S314
    except ET.ParseError as error:
        raise response_parser_error()(f"PublishBatch: the answer is no XML: {error}") from error
    if _name(root) != "PublishBatchResponse":
        raise response_parser_error()(f"PublishBatch: the answer is a <{_name(root)}>")
    return {
        "Successful": [{"Id": entry["Id"]} for entry in _members(root, "Successful")],
        "Failed": [{**entry, "SenderFault": entry.get("SenderFault") == "true"} for entry in _members(root, "Failed")],
    }


def _members(root: "ET.Element", section: str) -> Iterator[dict[str, str]]:
    for element in root.iter():
        if _name(element) == section:
            yield from ({_name(part): part.text or "" for part in member} for member in element)


def _name(element: "ET.Element") -> str:
    return element.tag.rpartition("}")[2]
