"""The search of settle, cancel and refund: what may happen next, and what is bad."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from libs.flashpay.tests.model.apis import Apis
from libs.flashpay.tests.model.invariants import fault
from libs.flashpay.tests.model.provider import Provider
from libs.flashpay.tests.model.rules import Rules, World
from libs.flashpay.tests.model.state import State, beginning
from libs.flashpay.tests.model.workers import Step, Workers
from libs.flashstock.tests.model.exploration import Found, explore


@dataclass(frozen=True)
class Steps:
    """Everything that may happen next."""

    provider: Provider

    def __call__(self, state: State) -> Iterator[Step]:
        yield from Workers(self.provider).steps(state)
        yield from Apis(self.provider).steps(state)
        yield from self.provider.lands(state)


def search(rules: Rules, world: World, judge: Callable[[State], str | None] = fault) -> Found:
    """Look at every state of a world once, until `judge` has a word for one."""
    return explore(
        beginning(world),
        steps=Steps(Provider(rules, world)),
        judge=judge,
        at_rest=lambda state: state.is_quiet,
        comes_to_rest=True,
    )
