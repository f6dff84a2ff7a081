"""What a consumer tells whoever measures it."""

from flashbus.dispositions import Disposition
from flashbus.queue import Message


class Observer:
    """Does nothing; override what is of interest. Called in the event loop: must not block, must not raise."""

    def received(self, message: Message) -> None:
        """A message has its slot and is about to be handled."""

    def handled(self, message: Message, disposition: Disposition, *, seconds: float) -> None:
        """What became of a message, `seconds` after it was taken up; told once it is carried out."""

    def receive_failed(self, reason: str) -> None:
        """A receive failed; `reason` is a label of few values."""

    def ack_retried(self) -> None:
        """A delete failed and is tried again."""

    def ack_given_up(self) -> None:
        """A delete is given up: the message comes again."""

    def visibility_lost(self) -> None:
        """A message became visible to other consumers while it was worked."""

    def visibility_limit_reached(self) -> None:
        """A message was worked for as long as SQS can hide one, 12 h: it comes again."""
