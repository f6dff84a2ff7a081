"""Every reachable state, nearest first, until one is bad."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from libs.flashstock.tests.model.invariants import fault
from libs.flashstock.tests.model.processor import Processor
from libs.flashstock.tests.model.reclaimer import Reclaimer
from libs.flashstock.tests.model.rules import Rules, World
from libs.flashstock.tests.model.seller import Seller, Step
from libs.flashstock.tests.model.state import State, beginning
from libs.flashstock.tests.model.table import Table


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search has seen: how many states, and the shortest way to a bad one, if any."""

    states: int
    fault: str | None = None
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{number:3}. {words}" for number, words in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"  => {self.fault or 'nothing bad'} ({self.states:,} states)"])


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
    """Look at every state once, until `judge` has a word for one."""
    steps, first = Steps(Table(rules, world)), beginning(world)
    before: dict[State, tuple[State, str] | None] = {first: None}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        if found := judge(state, world):
            return Found(states=len(before), fault=found, trace=_trace(before, state))
        following = [(words, after) for words, after in steps(state) if after != state]
        if not following and not state.is_quiet:
            return Found(states=len(before), fault="nothing can happen any more", trace=_trace(before, state))
        for words, after in following:
            if after not in before:
                before[after] = (state, words)
                waiting.append(after)
    return Found(states=len(before))


def _trace(before: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    words: list[str] = []
    while step := before[state]:
        state, said = step
        words.append(said)
    return tuple(reversed(words))
