"""The figures that the course's reports published, and which of them cannot be true."""

from dataclasses import dataclass

from load.model.formulas import fluid_peak_backlog, little_answers_limit, settle_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """A published range, inclusive, with the scenario it belongs to."""

    scenario: str
    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpossibleFigure:
    """A published figure beyond a bound that no system can pass; `formula` is the bound."""

    name: str
    published: float
    bound: float
    formula: str


PUBLISHED = (
    PublishedFigure(scenario="sync capacity 1, 5 users, 30 s", name="orders", low=9, high=9),
    PublishedFigure(scenario="sync capacity 1, 5 users, 30 s", name="mean response s", low=10.5, high=10.5),
    PublishedFigure(scenario="sync capacity 1, 20 users, 60 s", name="answers", low=28, high=29),
    PublishedFigure(scenario="sync capacity 1, 20 users, 60 s", name="failed share", low=0.68, high=0.69),
    PublishedFigure(scenario="sync capacity 1, 20 users, 60 s", name="p50 s", low=30, high=30),
    PublishedFigure(scenario="sync capacity 5, 5 users, 30 s", name="orders", low=38, high=38),
    PublishedFigure(scenario="sync capacity 5, 5 users, 30 s", name="mean response s", low=3.07, high=3.07),
    PublishedFigure(scenario="sync capacity 5, 20 users, 60 s", name="orders", low=95, high=95),
    PublishedFigure(scenario="sync capacity 5, 20 users, 60 s", name="p50 s", low=12, high=12),
    PublishedFigure(scenario="async, 20 users, 60 s", name="accepted", low=3052, high=3460),
    PublishedFigure(scenario="async, 20 users, 60 s", name="accepted /s", low=51, high=58),
    PublishedFigure(scenario="async, 20 users, 60 s", name="p50 ms", low=32, high=90),
    PublishedFigure(scenario="async, 20 users, 60 s (capacity 5)", name="accepted /s", low=57, high=57),
    PublishedFigure(scenario="async, 20 users, 60 s (capacity 5)", name="mean ms", low=53, high=53),
    PublishedFigure(scenario="async, 1 worker", name="drain min", low=156, high=175),
    PublishedFigure(scenario="async, 5 workers", name="drain min", low=30, high=35),
    PublishedFigure(scenario="async, 20 workers", name="drain min", low=8, high=9),
    PublishedFigure(scenario="async, 100 workers", name="drain min", low=1.7, high=2.0),
    PublishedFigure(scenario="async, 100 workers", name="CPU %", low=20, high=26),
    PublishedFigure(scenario="async, 100 workers (capacity 5)", name="CPU %", low=13, high=13),
    PublishedFigure(scenario="Lambda (Go)", name="cold start ms", low=65, high=78),
    PublishedFigure(scenario="Lambda (Go), across teams", name="cold start ms", low=46, high=119),
)


def impossible_figures() -> tuple[ImpossibleFigure, ...]:
    """The published figures that contradict Little's law or conservation."""
    answers = little_answers_limit(users=20, seconds=60, response=8.2, think=0.1)
    service = settle_rate(workers=100, payment=3.0)
    backlog = fluid_peak_backlog(rate=51, service=service, seconds=60)
    return (
        ImpossibleFigure(
            name="sync answers in 60 s from 20 users at 8.2 s",
            published=1203,
            bound=answers,
            formula=f"at most N T ÷ (R + Z) = 20×60/(8.2+0.1) = {answers:.0f} (Little's law, shortest think time)",
        ),
        ImpossibleFigure(
            name="peak backlog at 100 workers, 51/s in, 33/s out",
            published=40,
            bound=backlog,
            formula=f"at least (λ - W/d) T = (51-100/3)×60 = {backlog:.0f} (conservation)",
        ),
    )
