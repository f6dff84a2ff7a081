"""Free TCP ports on the loopback interface."""

import itertools
import os
import socket
from collections import deque

# Below what Linux and macOS give to the near ends of connections: such a port stays free while the process that it is
# for starts, or is started again, whatever else connects to whom.
_PORTS = range(20_000, 32_000)
# From another place in each process, so that those that run beside each other seldom meet.
_candidates = itertools.islice(itertools.cycle(_PORTS), os.getpid() * 97 % len(_PORTS), None)
# Where they meet all the same: who takes a port holds the UDP port of its number, which no service of ours wants and
# which ends with the process. The last few are enough: the services of those before are long there.
_claims: deque[int] = deque()
_CLAIMS = 64


def free_port() -> int:
    """Return a port that was free on 127.0.0.1 a moment ago; no two callers get the same, in whatever process.

    A foreign process may still take it first; whoever starts a server on it must report the failed bind.
    """
    for port in itertools.islice(_candidates, len(_PORTS)):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            _require_free(port)
        except OSError:
            claim.close()
            continue
        _claims.append(claim.detach())
        if len(_claims) > _CLAIMS:
            socket.close(_claims.popleft())
        return port
    raise OSError("no port is free")


def _require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
