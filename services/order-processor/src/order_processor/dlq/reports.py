"""Dead letters in words, for a terminal. What others wrote loses its control characters."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from order_processor.dlq.letters import Letter

_COLUMNS = "{queue:<12}{age:>6}  {reason:<22}{receives:>8}  {customer:>10}  {order}  {products}  {message}"
_DETAIL_CHARACTERS = 300


def header() -> str:
    """The head of a list."""
    return _COLUMNS.format(
        queue="queue",
        age="age",
        reason="reason",
        receives="receives",
        customer="customer",
        order="order",
        products="products",
        message="message",
    )


def line(letter: Letter, *, now: datetime) -> str:
    """One letter in a list."""
    order = letter.order
    lines = [] if order is None else [f"{line.product_id}x{line.quantity}" for line in order.items]
    return _COLUMNS.format(
        queue=letter.queue,
        age=age(letter.age(now)),
        reason=plain(letter.reason),
        receives=letter.receives or "-",
        customer="-" if order is None else order.customer_id,
        order="-" if order is None else order.order_id,
        products=",".join(lines) or "-",
        message=letter.message_id,
    )


def whole(letter: Letter, *, now: datetime) -> str:
    """One letter with all that it holds."""
    told = [
        ("message", letter.message_id),
        ("queue", letter.queue),
        ("age", age(letter.age(now))),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("receives", letter.receives),
        ("order", "cannot be decoded" if letter.order is None else letter.order.order_id),
        *letter.attributes.items(),
    ]
    lines = [f"{plain(name):<12} {plain(str(value))}" for name, value in told if value not in (None, "")]
    return "\n".join([*lines, _body(letter.body)])


@dataclass(kw_only=True)
class Summary:
    """Counts the letters that were listed."""

    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    customers: set[int] = field(default_factory=set)
    oldest: timedelta | None = None

    def add(self, letter: Letter, *, now: datetime) -> None:
        """Count one."""
        self.reasons[letter.queue, letter.reason] += 1
        if letter.order is not None:
            self.customers.add(letter.order.customer_id)
        ages = [each for each in (self.oldest, letter.age(now)) if each is not None]
        self.oldest = max(ages, default=None)

    def text(self) -> str:
        """The sum of a list."""
        count = self.reasons.total()
        if not count:
            return "no dead letters"
        parts = [
            f"{number} {plain(reason)} ({queue})"
            for (queue, reason), number in sorted(self.reasons.items(), key=lambda item: -item[1])
        ]
        letters = f"{count} dead letter" + "s" * (count != 1)
        return f"{letters} of {len(self.customers)} known customers, the oldest {age(self.oldest)}: {', '.join(parts)}"


def age(duration: timedelta | None) -> str:
    """How old something is, in its two or three most telling characters."""
    if duration is None:
        return "-"
    seconds = max(int(duration.total_seconds()), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def plain(text: str) -> str:
    """A text that cannot move a terminal's cursor, nor fill its screen."""
    printable = "".join(char if char.isprintable() else " " for char in text[: _DETAIL_CHARACTERS + 1])
    return printable if len(text) <= _DETAIL_CHARACTERS else printable[:_DETAIL_CHARACTERS] + "…"


def _body(body: str | None) -> str:
    if body is None:
        return "(no message that could be sent)"
    try:
        return json.dumps(json.loads(body), indent=2)
    except (ValueError, RecursionError):
        return ascii(body)
