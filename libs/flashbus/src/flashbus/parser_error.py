"""botocore's error for an answer that is none, without botocore's parsers until there is one.

They and what they import are a sixth of a function's cold start, and most functions never see such an answer.
"""


def response_parser_error() -> type[Exception]:
    """`botocore.parsers.ResponseParserError`; to be named in an `except`, which asks only once something was raised."""
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - see above

    error: type[Exception] = ResponseParserError
    return error
