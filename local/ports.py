"""Free TCP ports on the loopback interface."""

import socket


def free_port() -> int:
    """Return a port that was free on 127.0.0.1 a moment ago.

    The kernel hands out ephemeral ports round robin, so two callers at once get two ports. Another process may
    still take it first; whoever starts a server on it must report the failed bind.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
