"""Dead letters: the message as it was received, with the reason beside it, as attributes."""

from collections.abc import Mapping

from flashbus.queue import Message, MessageSender

DEAD_LETTER_REASON = "dead_letter_reason"
DEAD_LETTER_DETAIL = "dead_letter_detail"
DEAD_LETTER_RECEIVES = "dead_letter_receives"
_ATTRIBUTES_LIMIT = 10  # of SQS
_DETAIL_LIMIT = 256


class DeadLetters:
    """Moves messages to the dead-letter queue so that moving them back is all a redrive takes.

    The body is untouched; the reason, what went wrong and how often the message was tried are message
    attributes. They travel with the message when an operator moves it back, which is how a handler knows a redrive.
    """

    def __init__(self, sender: MessageSender) -> None:
        """`sender` sends to the dead-letter queue."""
        self._sender = sender

    async def send(self, message: Message, *, reason: str, detail: str) -> None:
        """Send a copy; raises QueueUnavailableError, and then the original must not be deleted."""
        attributes = dead_letter_attributes(
            message.attributes, reason=reason, detail=detail, receives=message.receive_count
        )
        await self._sender.send(message.body, attributes=attributes)


def dead_letter_attributes(attributes: Mapping[str, str], *, reason: str, detail: str, receives: int) -> dict[str, str]:
    """The attributes of a dead letter: the message's own, as far as there is room, and ours.

    Args:
        attributes: What the message was sent with; ours of an earlier time are replaced.
        reason: Why it is one; a label of few values.
        detail: What went wrong, for a human; cut to 256 printable characters.
        receives: How often it was delivered.
    """
    ours = {DEAD_LETTER_REASON: reason, DEAD_LETTER_DETAIL: _plain(detail), DEAD_LETTER_RECEIVES: str(receives)}
    kept = [(name, value) for name, value in attributes.items() if name not in ours]
    return dict(kept[: _ATTRIBUTES_LIMIT - len(ours)]) | ours


def is_redriven(attributes: Mapping[str, str]) -> bool:
    """Whether a message comes back from the dead letters."""
    return DEAD_LETTER_REASON in attributes


def _plain(text: str) -> str:
    # SQS refuses an empty value and most control characters.
    printable = "".join(char if " " <= char <= "~" else " " for char in text[:_DETAIL_LIMIT]).strip()
    return printable or "none"
