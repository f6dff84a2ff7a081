"""aiohttp's errors, without aiohttp: it is a quarter of a function's cold start, and a function has no use for it."""

import sys


def session_error() -> tuple[type[Exception], ...]:
    """`aiohttp.ClientError`, or nothing where nobody has imported what raises it; to be named in an `except`."""
    if "aiohttp" not in sys.modules:
        return ()
    from aiohttp import ClientError  # noqa: PLC0415 - see above

    return (ClientError,)
