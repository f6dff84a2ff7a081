"""The payment provider, and the ways in which a request of it can go."""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.flashpay.tests.model.rules import Rules, World
from libs.flashpay.tests.model.state import Gateway, State


@dataclass(frozen=True)
class Provider:
    rules: Rules
    world: World

    def charge(self, gateway: Gateway, key: int) -> Iterator[tuple[Gateway, bool]]:
        """What may come of a charge: the first answer of a key that it remembers, or a new one."""
        known = dict(gateway.charge_keys)
        if self.rules.gateway_has_keys and key in known:
            yield gateway, known[key]
            return
        # More than two charges are not worse than two.
        yield self._keep(gateway._replace(charges=min(gateway.charges + 1, 2)), key, answer=True), True
        if self.world.declines:
            yield self._keep(gateway._replace(declined=True), key, answer=False), False

    def refund(self, gateway: Gateway, key: int) -> Gateway:
        if key in gateway.refund_keys:
            return gateway
        return gateway._replace(refunds=min(gateway.refunds + 1, 2), refund_keys=(*gateway.refund_keys, key))

    def lands(self, state: State) -> Iterator[tuple[str, State]]:
        """Requests that are on their way arrive late, or never."""
        for request in state.flight:
            kind, key = request
            left = state._replace(flight=tuple(other for other in state.flight if other is not request))
            yield f"a {kind} on its way is lost", left
            if kind == "refund":
                yield "a late refund is made", left._replace(gateway=self.refund(state.gateway, key))
            else:
                for gateway, approved in self.charge(state.gateway, key):
                    word = "made" if approved else "declined"
                    yield f"a late charge is {word}", left._replace(gateway=gateway)

    def _keep(self, gateway: Gateway, key: int, *, answer: bool) -> Gateway:
        return gateway._replace(charge_keys=tuple(sorted({**dict(gateway.charge_keys), key: answer}.items())))


def without_answer(state: State, kind: str, key: int) -> State | None:
    """The state with a request on its way that nobody waits for any more, if there may be one more."""
    if not state.late:
        return None
    return state._replace(late=state.late - 1, flight=(*state.flight, (kind, key)))
