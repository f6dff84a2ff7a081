"""botocore's errors where a connection never came about, told from its others: nothing was sent."""

from botocore.exceptions import EndpointConnectionError, SSLError


class UnconnectedError(EndpointConnectionError):  # type: ignore[misc]  # botocore is untyped
    """Nobody answers at the endpoint, or its name is none."""


class UntrustedError(SSLError):  # type: ignore[misc]  # as above
    """Whoever answers at the endpoint did not come to an encrypted connection with us."""
