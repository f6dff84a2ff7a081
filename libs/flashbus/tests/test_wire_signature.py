"""The signature is the one that botocore's own signer makes."""

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from flashbus.wire.signature import Signer

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
KEYS = st.builds(ReadOnlyCredentials, PRINTABLE, PRINTABLE, st.none() | PRINTABLE)
MOMENTS = st.integers(0, 4_000_000_000)
SIGNED = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.PutItem"}


def botocore_s(keys: ReadOnlyCredentials, body: bytes, timestamp: str) -> str:
    """The signature of botocore for the same request at the same moment."""
    request = AWSRequest("POST", "http://db.test:8000/", headers={**SIGNED, "X-Amz-Date": timestamp}, data=body)
    if keys.token:
        request.headers["X-Amz-Security-Token"] = keys.token
    request.context["timestamp"] = timestamp
    signer = SigV4Auth(keys, "dynamodb", "eu-central-1")
    signature: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return signature


@given(calls=st.lists(st.tuples(KEYS, st.binary(max_size=300), MOMENTS), min_size=1, max_size=4))
def test_it_is_botocore_s_whoever_signs_and_whenever(calls: list[tuple[ReadOnlyCredentials, bytes, int]]) -> None:
    signer = Signer(service="dynamodb", region="eu-central-1", host="db.test:8000")
    for keys, body, at in calls:
        sent = signer.headers(keys, body, SIGNED, at=at)
        assert sent["authorization"].endswith(f"Signature={botocore_s(keys, body, sent['x-amz-date'])}")


def test_it_names_the_key_the_scope_and_what_is_signed() -> None:
    signer = Signer(service="sqs", region="eu-west-1", host="sqs.test")
    sent = signer.headers(ReadOnlyCredentials("me", "secret", "token"), b"{}", {"content-type": "text/plain"}, at=0)
    named = (
        "AWS4-HMAC-SHA256 Credential=me/19700101/eu-west-1/sqs/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
    )
    assert sent.pop("authorization").startswith(named)
    assert sent == {
        "host": "sqs.test",
        "x-amz-date": "19700101T000000Z",
        "x-amz-security-token": "token",
        "content-type": "text/plain",
    }
