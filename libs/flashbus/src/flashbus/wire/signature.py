"""Signature Version 4 of a `POST /`, the one kind of request that is made here.

botocore's own signer builds general requests and canonicalises them anew; it holds this one to the same signatures in
the tests. The signing key is derived once a day and secret.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Protocol

_ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(Protocol):
    """What botocore calls frozen credentials."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


class Signer:
    """Signs requests to one endpoint of one service.

    Args:
        service: As it stands in the credential scope.
        region: Likewise.
        host: With its port, unless that is the scheme's own.
    """

    def __init__(self, *, service: str, region: str, host: str) -> None:
        self._scope = f"{region}/{service}/aws4_request"
        self._chain = (region, service, "aws4_request")
        self._host = host
        self._derived: tuple[str, str, bytes] = ("", "", b"")

    def headers(self, keys: Keys, body: bytes, signed: Mapping[str, str], *, at: float | None = None) -> dict[str, str]:
        """Return what is sent along with a body.

        Args:
            keys: Of whom.
            body: As it is sent.
            signed: Headers that belong to the request: lower-case names, trimmed values.
            at: Seconds since the epoch.
        """
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        sent = {"host": self._host, "x-amz-date": moment, **signed}
        if keys.token:
            sent["x-amz-security-token"] = keys.token
        names = sorted(sent)
        lines = "\n".join([f"{name}:{sent[name]}" for name in names])
        listed = ";".join(names)
        request = f"POST\n/\n\n{lines}\n\n{listed}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{moment[:8]}/{self._scope}"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key(keys.secret_key, moment[:8]), text.encode(), "sha256").hex()
        sent["authorization"] = (
            f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
        )
        return sent

    def _key(self, secret: str, day: str) -> bytes:
        if self._derived[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, *self._chain):
                key = hmac.digest(key, part.encode(), "sha256")
            self._derived = (secret, day, key)
        return self._derived[2]
