"""The list of accepted survivors."""

from pathlib import Path

import pytest

from mutation.__main__ import PROJECT
from mutation.accepted import ACCEPTED, AcceptedError, read_accepted
from mutation.mutants import Site, find_sites

ENTRY = """
[[survivor]]
file = "libs/tiny/src/tiny/code.py"
scope = "f"
before = "return a + 2"
after = "return a - 2"
reason = "a is never asked for"
"""


def test_a_survivor_is_known_by_its_change_wherever_its_line_went() -> None:
    accepted = read_accepted(ENTRY)
    moved = "\n\n# moved\ndef g(a):\n    return a + 2\n\ndef f(a):\n    return a + 2\n"
    sites = find_sites(Path("libs/tiny/src/tiny/code.py"), moved)
    known = [mutant for site in sites for mutant in site.mutants() if accepted.reason(mutant)]
    assert [(mutant.scope, mutant.after) for mutant in known] == [("f", "return a - 2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace("a is never asked for", " "), "survivor 1: the reason is empty"),
        (ENTRY + ENTRY, "survivor 2: libs/tiny/src/tiny/code.py f stands twice"),
        (ENTRY.replace("scope", "line"), "survivor 1: its keys are"),
    ],
)
def test_an_entry_that_says_too_little_is_refused(text: str, message: str) -> None:
    with pytest.raises(AcceptedError, match=message):
        read_accepted(text)


def test_every_accepted_survivor_can_still_arise() -> None:
    accepted = read_accepted(ACCEPTED.read_text(encoding="utf-8"))
    stale = set(accepted.reasons)
    for name in {file for file, *_ in stale}:
        for site in find_sites(Path(name), (PROJECT / name).read_text(encoding="utf-8")):
            if _may_be_accepted(site, stale):
                stale -= {(name, mutant.scope, mutant.before, mutant.after) for mutant in site.mutants()}
    assert stale == set()


def _may_be_accepted(site: Site, accepted: set[tuple[str, str, str, str]]) -> bool:
    """Whether a look at the mutants is worth its time: the mutants of a whole module take seconds to write."""
    lines = [line.strip() for line in site.module.code_for_node(site.node).splitlines()]
    return any(
        (file, scope) == (site.path.as_posix(), site.scope) and any(line in before for line in lines)
        for file, scope, before, _ in accepted
    )
