"""Where load may go: a shop on this machine, unless somebody says otherwise."""

import ipaddress
from urllib.parse import urlsplit

ALLOW_REMOTE = "--allow-remote"


def is_local(url: str) -> bool:
    """Whether the URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def refusal_of(url: str, *, allow_remote: bool) -> str | None:
    """Why no load may be sent to this URL; None when it may."""
    if allow_remote or is_local(url):
        return None
    return f"{url} is not on this machine; {ALLOW_REMOTE} sends the load there all the same. Ask its owner first."
