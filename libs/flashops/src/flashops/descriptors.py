"""File descriptors: every connection takes one, and what the system allows at first is often 1,024."""

import resource

import structlog

# Beside the connections of a port: those to AWS and the gateway, other ports, files.
RESERVED = 512

log = structlog.get_logger()


def allow_descriptors(connections: int) -> int:
    """Raise this process's soft limit for `connections` and what it needs besides, as far as the hard limit lets it.

    Returns:
        How many connections there can be: fewer than asked for when the hard limit is too low, with a log line.
    """
    needed = connections + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    allowed = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed >= needed:
        return connections
    most = max(allowed - RESERVED, allowed // 2)
    log.warning("connections_limited", most=most, wanted=connections, descriptors=allowed)
    return most
