"""Which mutants a piece of code has."""

import ast
from pathlib import Path

import pytest

from mutation.mutants import Mutant, find_sites, sample

HERE = Path("libs/tiny/src/tiny/code.py")


def _changes(source: str) -> set[tuple[str, str]]:
    return {(mutant.before, mutant.after) for site in find_sites(HERE, source) for mutant in site.mutants()}


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("def f(a):\n    return a <= 8\n", "return a <= 8", "return a < 8"),
        ("def f(a):\n    return a <= 8\n", "return a <= 8", "return a <= 9"),
        ("def f(a):\n    return a\n", "return a", "return None"),
        ("async def f(a):\n    await a.sleep()\n", "await a.sleep()", "pass"),
        ("def f(a):\n    a.release()\n", "a.release()", "pass"),
        ("def f(a):\n    raise ValueError\n", "raise ValueError", "pass"),
        ("def f(a):\n    a.count += 1\n", "a.count += 1", "a.count = 1"),
        ("def f(a):\n    a.open = b\n", "a.open = b", "pass"),
        ("def f(a):\n    if a or b:\n        g()\n", "if a or b:", "if not (a or b):"),
        ("def f(a):\n    g(a, b)\n", "g(a, b)", "g(b)"),
        ("@route\ndef f():\n    return 1\n", "return 1", "return 2"),
        ("class C:\n    size: int = Field(gt=0)\n", "size: int = Field(gt=0)", "size: int = Field(gt=1)"),
        ("LIMIT = 8\n", "LIMIT = 8", "LIMIT = 9"),
        ("KEY = 'order_id'\n", "KEY = 'order_id'", "KEY = 'XXorder_idXX'"),
    ],
)
def test_code_that_decides_has_a_mutant(source: str, before: str, after: str) -> None:
    assert (before, after) in _changes(source)


@pytest.mark.parametrize(
    "source",
    [
        "import os\nfrom a import b as c\n",
        '"""Words."""\n\n\ndef f():\n    """More words."""\n',
        "def f(a: Literal[1], b: dict[str, 2]) -> Annotated[int, 3]: ...\n",
        "def f(log):\n    log.info('event', count=1)\n",
        "class C:\n    def f(self):\n        self._log.warning('event')\n        self._logger.info('event')\n",
        "def f():\n    structlog.get_logger().info('event')\n",
        "__all__ = ['f']\n",
        "Answer: TypeAlias = A | B\n",
        "_T = TypeVar('_T')\n",
        "class Settles(Protocol):\n    def settle(self, *, redriven: bool = False) -> None: ...\n",
        "if TYPE_CHECKING:\n    x = 1\n",
        "@retry(times=3)\ndef f(): ...\n",
        "def f(a):\n    x: int\n",
    ],
)
def test_what_no_test_could_hold_is_left_alone(source: str) -> None:
    assert _changes(source) == set()


def test_the_name_of_a_task_is_left_alone_and_the_task_is_not() -> None:
    changed = _changes("async def f(a):\n    task = create_task(work(a), name=f'work {a}')\n")
    before = "task = create_task(work(a), name=f'work {a}')"
    assert changed == {
        (before, "task = None"),
        (before, "task = create_task(None, name=f'work {a}')"),
        (before, "task = create_task(name=f'work {a}')"),
        (before, "task = create_task(work(None), name=f'work {a}')"),
    }


def test_words_for_people_are_not_changed() -> None:
    changed = _changes("def f():\n    raise ValueError('the size is too large')\n")
    assert changed == {
        ("raise ValueError('the size is too large')", after) for after in ("pass", "raise ValueError(None)")
    }


def test_a_mutant_is_one_change_that_compiles_and_knows_its_place() -> None:
    source = "class C:\n    def f(self, a):\n        if a > 1:\n            return (\n                a + 2)\n"
    mutants = [mutant for site in find_sites(HERE, source) for mutant in site.mutants()]
    assert mutants
    for mutant in mutants:
        ast.parse(mutant.source)
        assert mutant.source != source
        assert mutant.scope == "C.f"
    (added,) = [mutant for mutant in mutants if mutant.after == "a - 2)"]
    assert added.place == "libs/tiny/src/tiny/code.py:5"
    assert added.diff == "- a + 2)\n+ a - 2)"


def test_a_sample_follows_its_seed_and_takes_no_place_twice() -> None:
    source = "".join(f"def f{number}(a):\n    return a + {number}\n" for number in range(30))
    sites = find_sites(HERE, source)

    def places(seed: str) -> list[tuple[int, str]]:
        return [(mutant.line, mutant.after) for mutant in sample(sites, size=20, seed=seed)]

    assert places("1 tiny") == places("1 tiny")
    assert places("1 tiny") != places("2 tiny")
    assert len(places("1 tiny")) == 20
    assert len(sample(sites, size=1000, seed="1")) == len(sites)


def test_a_place_with_many_mutants_weighs_no_more_than_one_with_few() -> None:
    # the call has eleven mutants, the two comparisons one each
    sites = find_sites(HERE, "def f(a, b):\n    a(b, b, b, b, b)\n    while a < b: ...\n    while a > b: ...\n")

    def first(seed: int) -> Mutant:
        return sample(sites, size=1, seed=str(seed))[0]

    comparisons = sum(first(seed).before.startswith("while") for seed in range(60))
    assert comparisons > 20
