"""The name under which a process claims orders."""

import os
import socket


def owner_name(service: str) -> str:
    """The owner of this process's claims: `<service>/<host>:<pid>`, such as `order-api/ip-10-0-1-7:1`."""
    return f"{service}/{socket.gethostname()}:{os.getpid()}"
