"""What a transport goes by before it is connected."""

import pytest
from botocore.utils import get_environ_proxies

from flashbus.wire.transport import _proxy

PROXY, OTHER = "http://proxy.test:3128", "http://other.test:3128"


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://sqs.eu-west-1.amazonaws.com", None),
        ({"https_proxy": PROXY, "http_proxy": OTHER}, "https://sqs.eu-west-1.amazonaws.com", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://sqs.test", None),
        ({"https_proxy": PROXY, "no_proxy": "amazonaws.com"}, "https://sqs.eu-west-1.amazonaws.com", None),
        ({"http_proxy": PROXY, "no_proxy": "aws.test:4566"}, "http://aws.test:4566", None),
        ({"http_proxy": PROXY, "no_proxy": "aws.test:4566"}, "http://aws.test:4567", PROXY),
        ({"http_proxy": PROXY, "no_proxy": "*"}, "http://127.0.0.1:4566", None),
    ],
)
def test_a_proxy_is_found_where_botocore_finds_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _proxy(url) == get_environ_proxies(url).get(url.partition(":")[0]) == proxy
