"""The search of the stock protocol: what may happen next, and what is bad."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from libs.flashstock.tests.model.exploration import Found, explore
from libs.flashstock.tests.model.invariants import fault
from libs.flashstock.tests.model.processor import Processor
from libs.flashstock.tests.model.reclaimer import Reclaimer
from libs.flashstock.tests.model.rules import Rules, World
from libs.flashstock.tests.model.seller import Seller, Step
from libs.flashstock.tests.model.state import State, beginning
from libs.flashstock.tests.model.table import Table


@dataclass(frozen=True)
class Steps:
    """Everything that may happen next."""

    table: Table

    def __call__(self, state: State) -> Iterator[Step]:
        for session in range(self.table.world.sessions):
            yield from Seller(self.table, session).steps(state)
            yield from Reclaimer(self.table, session).steps(state)
        yield from Processor(self.table).steps(state)
        for write in state.flight:
            left = state._replace(flight=tuple(other for other in state.flight if other is not write))
            yield f"a {write.kind} is lost", left
            landed = self.table.land(left, write)
            if landed:
                yield f"a late {write.kind} lands", landed


def search(rules: Rules, world: World, judge: Callable[[State, World], str | None] = fault) -> Found:
    """Look at every state of a world once, until `judge` has a word for one."""
    return explore(
        beginning(world),
        steps=Steps(Table(rules, world)),
        judge=lambda state: judge(state, world),
        at_rest=lambda state: state.is_quiet,
    )
