"""Free TCP ports on the loopback interface."""

import itertools
import os
import socket

# Below what Linux and macOS give to the near ends of connections: such a port stays free while the process that it is
# for starts, or is started again, whatever else connects to whom.
_PORTS = range(20_000, 32_000)
# From another place in each process: those that run beside each other do not take one another's.
_candidates = itertools.islice(itertools.cycle(_PORTS), os.getpid() * 97 % len(_PORTS), None)


def free_port() -> int:
    """Return a port that was free on 127.0.0.1 a moment ago; no two callers of one process get the same.

    Another process may still take it first; whoever starts a server on it must report the failed bind.
    """
    for port in itertools.islice(_candidates, len(_PORTS)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
