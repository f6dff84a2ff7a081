"""Every state that any order of steps reaches, nearest first, until one is bad, whatever it is that is modelled."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search has seen: how many states, and the shortest way to a bad one, if any."""

    states: int
    fault: str | None = None
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{number:3}. {words}" for number, words in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"  => {self.fault or 'nothing bad'} ({self.states:,} states)"])


def explore(
    first: S,
    *,
    steps: Callable[[S], Iterator[tuple[str, S]]],
    judge: Callable[[S], str | None],
    at_rest: Callable[[S], bool],
    comes_to_rest: bool = False,
) -> Found:
    """Look at every state once, until `judge` has a word for one, or one is no rest and has no step.

    With `comes_to_rest` a state is bad too from which no steps whatever lead to a rest.
    """
    before: dict[S, tuple[S, str] | None] = {first: None}
    came_from: dict[S, list[S]] = {}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        if found := judge(state):
            return Found(states=len(before), fault=found, trace=_trace(before, state))
        following = [(words, after) for words, after in steps(state) if after != state]
        if not following and not at_rest(state):
            return Found(states=len(before), fault="nothing can happen any more", trace=_trace(before, state))
        for words, after in following:
            if comes_to_rest:
                came_from.setdefault(after, []).append(state)
            if after not in before:
                before[after] = (state, words)
                waiting.append(after)
    if comes_to_rest and (lost := _restless(before, came_from, at_rest)) is not None:
        return Found(states=len(before), fault="it can never come to rest any more", trace=_trace(before, lost))
    return Found(states=len(before))


def _restless(
    before: dict[S, tuple[S, str] | None], came_from: dict[S, list[S]], at_rest: Callable[[S], bool]
) -> S | None:
    resting = {state for state in before if at_rest(state)}
    waiting = deque(resting)
    while waiting:
        for earlier in came_from.get(waiting.popleft(), ()):
            if earlier not in resting:
                resting.add(earlier)
                waiting.append(earlier)
    return next((state for state in before if state not in resting), None)


def _trace(before: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    words: list[str] = []
    while step := before[state]:
        state, said = step
        words.append(said)
    return tuple(reversed(words))
