"""How many API tasks take the orders of a sale."""

import math

# 415 µs of CPU an order, as on a busy machine; docs/performance.md has about half of that on a quiet one.
ORDERS_PER_VCPU = 2400.0
# A task that is busier than half of the time answers late, and has no room for the one that is replaced.
_BUSY_SHARE = 0.5


def api_tasks_needed(rate: float, *, vcpu: float, orders_per_vcpu: float = ORDERS_PER_VCPU) -> int:
    """The fewest tasks of `vcpu` that take `rate` orders/s and are busy half of the time."""
    return max(1, math.ceil(round(rate / (vcpu * orders_per_vcpu * _BUSY_SHARE), 9)))
