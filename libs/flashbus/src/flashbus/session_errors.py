"""aiohttp's errors, without aiohttp: it is a quarter of a function's cold start, and a function has no use for it.

Nothing can have raised them where nobody has imported it.
"""

import sys


def session_error() -> tuple[type[Exception], ...]:
    """`aiohttp.ClientError`; to be named in an `except`, which asks only once something was raised."""
    if "aiohttp" not in sys.modules:
        return ()
    from aiohttp import ClientError  # noqa: PLC0415 - see above

    return (ClientError,)


def connector_error() -> tuple[type[Exception], ...]:
    """`aiohttp.ClientConnectorError`: there was no connection."""
    if "aiohttp" not in sys.modules:
        return ()
    from aiohttp import ClientConnectorError  # noqa: PLC0415 - see above

    return (ClientConnectorError,)
