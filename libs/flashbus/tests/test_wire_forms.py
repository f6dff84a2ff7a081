from urllib.parse import parse_qsl, quote

from hypothesis import example, given
from hypothesis import strategies as st

from flashbus.attributes import message_attributes
from flashbus.wire.sns_calls import _form, _quoted

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(_TEXT)
@example('{"id": "a%2Bb", "items": [1, 2], "time": "2026-01-01T00:00:00+00:00", "path": "/orders"}')
@example("é € \n & = ~ _ . -")
def test_text_is_quoted_as_the_standard_library_does(text: str) -> None:
    assert _quoted(text) == quote(text, safe="").encode()


@given(_TEXT, _TEXT, _TEXT)
def test_a_form_reads_back_as_what_went_in(message: str, name: str, value: str) -> None:
    entry = {"Id": "0", "Message": message, "MessageAttributes": message_attributes({name: value})}
    form = dict(parse_qsl(_form("arn:aws:sns:x:1:t", [entry]).decode("ascii"), keep_blank_values=True))
    start = "PublishBatchRequestEntries.member.1"
    assert form == {
        "Action": "PublishBatch",
        "Version": "2010-03-31",
        "TopicArn": "arn:aws:sns:x:1:t",
        f"{start}.Id": "0",
        f"{start}.Message": message,
        f"{start}.MessageAttributes.entry.1.Name": name,
        f"{start}.MessageAttributes.entry.1.Value.DataType": "String",
        f"{start}.MessageAttributes.entry.1.Value.StringValue": value,
    }


@given(
    messages=st.lists(st.text(alphabet='a~{}":, %é'), min_size=1, max_size=10),
    topic_arn=st.sampled_from(["arn:aws:sns:x:1:t", "arn~"]),
)
def test_every_message_of_a_batch_comes_back_from_the_form(messages: list[str], topic_arn: str) -> None:
    entries = [
        {
            "Id": str(index),
            "Message": message,
            "MessageAttributes": {"note": {"DataType": "String", "StringValue": message[::-1]}},
        }
        for index, message in enumerate(messages)
    ]
    form = dict(parse_qsl(_form(topic_arn, entries).decode("ascii"), keep_blank_values=True))
    found = [form[f"PublishBatchRequestEntries.member.{number + 1}.Message"] for number in range(len(messages))]
    name = "PublishBatchRequestEntries.member.{}.MessageAttributes.entry.1.Value.StringValue"
    notes = [form[name.format(number + 1)] for number in range(len(messages))]
    assert found == messages
    assert notes == [message[::-1] for message in messages]
    assert form["TopicArn"] == topic_arn
