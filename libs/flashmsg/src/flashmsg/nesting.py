"""How deep a JSON document is nested, found without parsing it.

Parsers recurse, and what a deep document costs them differs by interpreter: Python 3.12 and later have no
recursion limit in C. So depth is bounded by one pass over the bytes, before any parser sees them.
"""

import re
from itertools import accumulate
from typing import Final

MAX_DEPTH: Final = 32
"""The most levels of arrays and objects that we read; an order event in its envelope has five."""

# An unfinished string reaches to the end, as it does for a parser. Possessive: never tried a second time.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)


def too_deep(document: str | bytes) -> bool:
    """Tell whether a parser could meet more than `MAX_DEPTH` levels in `document`, in time linear in its size.

    Of what is no JSON, the part before the first mistake counts right: a parser comes no further.
    """
    raw = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH
