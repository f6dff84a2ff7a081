"""Order ids that certify themselves, so that intake needs no write but the publish."""

import base64
import hmac
import secrets

PREFIX = "ord_"
MIN_SECRET_BYTES = 32
# 15 + 10 bytes are 40 base32 characters without padding: 120 bits that never collide, and an
# 80-bit tag that nobody forges through an HTTP interface.
_ID_BYTES = 15
_TAG_BYTES = 10
_ENCODED_CHARACTERS = 40
_LOWER_CASE = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")


class OrderIds:
    """Issues order ids and recognises its own.

    An id is `ord_` + base32(id ‖ tag) where tag = HMAC(secret, id), truncated. Nobody without the
    secret can make an id that `owns` accepts, so ids cannot be guessed or enumerated.
    """

    def __init__(self, *, secret: bytes) -> None:
        """Take the secret, at least 32 bytes; every instance of the API must have the same one.

        Raises:
            ValueError: The secret is too short.
        """
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the order id secret must have at least {MIN_SECRET_BYTES} bytes")
        # One key per purpose, so that a tag can never be passed off as an id or the reverse.
        self._tag_key = hmac.digest(secret, b"order-id/tag/v1", "sha256")
        self._derivation_key = hmac.digest(secret, b"order-id/idempotency/v1", "sha256")

    def issue(self) -> str:
        """Return a new random id."""
        return self._certified(secrets.token_bytes(_ID_BYTES))

    def derive(self, *, customer_id: int, idempotency_key: str) -> str:
        """Return the one id that this customer's key always leads to."""
        # The customer comes first and is digits only, so no two pairs share an encoding.
        pair = b"%d:%s" % (customer_id, idempotency_key.encode())
        return self._certified(hmac.digest(self._derivation_key, pair, "sha256")[:_ID_BYTES])

    def owns(self, order_id: str) -> bool:
        """Tell whether an API with this secret issued the id."""
        encoded = order_id.removeprefix(PREFIX)
        if len(encoded) != _ENCODED_CHARACTERS or len(order_id) != len(PREFIX) + _ENCODED_CHARACTERS:
            return False
        if not encoded.isascii() or encoded != encoded.lower():
            return False
        try:
            decoded = base64.b32decode(encoded.upper())
        except ValueError:
            return False
        return hmac.compare_digest(decoded[_ID_BYTES:], self._tag(decoded[:_ID_BYTES]))

    def _certified(self, identity: bytes) -> str:
        encoded = base64.b32encode(identity + self._tag(identity))
        return PREFIX + encoded.translate(_LOWER_CASE).decode("ascii")

    def _tag(self, identity: bytes) -> bytes:
        return hmac.digest(self._tag_key, identity, "sha256")[:_TAG_BYTES]
