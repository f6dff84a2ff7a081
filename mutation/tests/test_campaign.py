"""Mutants tested by a real suite, in a project of one small package."""

import py_compile
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from mutation.__main__ import main, report
from mutation.accepted import AcceptedSurvivors
from mutation.campaign import Campaign, PackageResult
from mutation.mutants import Mutant, find_sites
from mutation.workbench import Outcome, Verdict, Workbench, WorkbenchError, open_workbench

MEMBER = Path("libs/tiny")
CODE = MEMBER / "src" / "tiny" / "code.py"
SUMS = MEMBER / "src" / "tiny" / "sums.py"
SUMS_SOURCE = """
def total(price, count):
    return price * count

def unseen(a):
    return a + 1
"""
CODE_SOURCE = """
def wait(count):
    while count > 0:
        count -= 1

def served():
    return 7
"""
SUITE = """
import os, subprocess, sys
from tiny.code import wait
from tiny.sums import total

def test_total():
    assert total(3, 2) == 6

def test_wait():
    wait(2)

def test_a_process_with_an_environment_of_its_own():
    program = "from tiny.code import served; print(served())"
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    assert found.stdout == "7\\n"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for name, text in {
        CODE: CODE_SOURCE,
        SUMS: SUMS_SOURCE,
        MEMBER / "src" / "tiny" / "testing" / "fakes.py": "SIZE = 1\n",
        MEMBER / "tests" / "test_code.py": SUITE,
        Path("pyproject.toml"): "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)  # noqa: S607 - the git of the machine
    return root


def _campaign(workbench: Workbench, *, sample_size: int, modules: str) -> Campaign:
    return Campaign(
        workbench=workbench,
        accepted=AcceptedSurvivors(reasons={}),
        sample_size=sample_size,
        seed=4,
        modules=modules,
        patience_seconds=1.0,
        say=print,
    )


def _mutant(after: str) -> Mutant:
    sites = [*find_sites(CODE, CODE_SOURCE), *find_sites(SUMS, SUMS_SOURCE)]
    return next(mutant for site in sites for mutant in site.mutants() if mutant.after == after)


def _outcome_of(workbench: Workbench, after: str, *, limit_seconds: float = 30.0) -> Outcome:
    return workbench.try_mutant(_mutant(after), MEMBER, limit_seconds=limit_seconds).outcome


def test_a_mutant_is_caught_survives_or_hangs_and_the_project_stays_as_it_is(project: Path) -> None:
    with open_workbench(project) as workbench:
        assert _outcome_of(workbench, "return price / count") is Outcome.CAUGHT
        assert _outcome_of(workbench, "return a - 1") is Outcome.SURVIVED
        assert _outcome_of(workbench, "count += 1", limit_seconds=4.0) is Outcome.TIMED_OUT
        # bytecode that would be taken for that of the mutant, as a file of the same length and second has it
        py_compile.compile(str(workbench.root / CODE), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        assert _outcome_of(workbench, "return 8") is Outcome.CAUGHT
        assert workbench.baseline(MEMBER, limit_seconds=30.0) > 0
    assert (project / CODE).read_text() == CODE_SOURCE
    assert not workbench.root.exists()


def test_a_verdict_names_the_test_that_failed_and_the_nearest_test_is_the_first_to_run(project: Path) -> None:
    with open_workbench(project) as workbench:
        own = workbench.root / MEMBER / "tests" / "test_sums.py"
        own.write_text("from tiny.sums import total\n\ndef test_it():\n    assert total(3, 2) == 6\n")
        verdict = workbench.try_mutant(_mutant("return price / count"), MEMBER, limit_seconds=30.0)
    assert verdict.noticed_by == "libs/tiny/tests/test_sums.py::test_it"  # test_code would have noticed too
    assert 0 < verdict.seconds < 30


@dataclass(frozen=True, kw_only=True)
class _BusyBench(Workbench):
    """A bench whose sound suite takes as long as told, and on which a mutant hangs or needs a certain time."""

    paces: list[float]
    needs: float

    def baseline(self, member: Path, *, limit_seconds: float) -> float:  # noqa: ARG002 - the interface
        return self.paces.pop(0)

    def try_mutant(self, mutant: Mutant, member: Path, *, limit_seconds: float) -> Verdict:  # noqa: ARG002 - the same
        in_time = self.needs <= limit_seconds
        return Verdict(
            outcome=Outcome.SURVIVED if in_time else Outcome.TIMED_OUT, seconds=min(self.needs, limit_seconds)
        )


@pytest.mark.parametrize(
    ("paces", "needs", "outcome"),
    [
        ([10.0, 11.0], 1e9, Outcome.TIMED_OUT),  # the machine is as before: it hangs
        ([10.0, 30.0], 80.0, Outcome.SURVIVED),  # the machine had become slower: it only was late
        ([10.0, 30.0, 30.0], 1e9, Outcome.TIMED_OUT),  # slower, and it hangs all the same
    ],
)
def test_running_out_of_time_counts_only_if_the_sound_suite_is_as_quick_as_before(
    project: Path, paces: list[float], needs: float, outcome: Outcome
) -> None:
    bench = _BusyBench(root=project, paces=paces, needs=needs)
    result = _campaign(bench, sample_size=1, modules="sums.py").run(MEMBER)
    assert result.timed_out == (outcome is Outcome.TIMED_OUT)
    assert len(result.survivors) == (outcome is Outcome.SURVIVED)
    assert bench.paces == []


def test_a_campaign_counts_what_became_of_its_sample(project: Path) -> None:
    said: list[str] = []
    unseen = _mutant("return a - 1")
    with open_workbench(project) as workbench:
        campaign = replace(
            _campaign(workbench, sample_size=5, modules="sums.py"),
            accepted=AcceptedSurvivors(reasons={(SUMS.as_posix(), "unseen", unseen.before, "return None"): "why"}),
            say=said.append,
        )
        result = campaign.run(MEMBER)
    assert result.caught + result.timed_out + len(result.survivors) + len(result.accepted) == 5
    assert result.caught
    assert {mutant.scope for mutant in result.survivors} == {"unseen"}
    assert sum(line.startswith("tiny ") for line in said) == 5


def test_a_suite_that_fails_by_itself_tests_nobody(project: Path) -> None:
    with open_workbench(project) as workbench:
        (workbench.root / MEMBER / "tests" / "test_code.py").write_text("def test_it():\n    assert False\n")
        with pytest.raises(WorkbenchError, match=r"tiny: the suite does not pass on the code as it is[\s\S]*test_it"):
            workbench.baseline(MEMBER, limit_seconds=30.0)
        (workbench.root / MEMBER / "tests" / "test_code.py").unlink()
        with pytest.raises(WorkbenchError, match="there are no tests"):
            workbench.baseline(MEMBER, limit_seconds=30.0)


def test_what_a_hanging_suite_has_started_ends_with_it(project: Path) -> None:
    suite = """
import subprocess, sys, time
from pathlib import Path

def test_hangs():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(50)"], start_new_session=True)
    Path("child.pid").write_text(str(child.pid))
    time.sleep(50)
"""
    with open_workbench(project) as workbench:
        (workbench.root / MEMBER / "tests" / "test_code.py").write_text(suite)
        with pytest.raises(WorkbenchError, match="timed out"):
            workbench.baseline(MEMBER, limit_seconds=6.0)
        child = int((workbench.root / "child.pid").read_text())
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_equipment_of_tests_is_not_mutated(project: Path) -> None:
    with open_workbench(project) as workbench:
        assert _campaign(workbench, sample_size=5, modules="fakes.py").run(MEMBER).sites == 0


def test_a_report_lists_survivors_and_counts_what_is_accepted_apart() -> None:
    result = PackageResult(package="tiny", sites=9, caught=2, timed_out=1)
    result.add(_mutant("return a - 1"), Outcome.SURVIVED, accepted=False)
    result.add(_mutant("return 8"), Outcome.SURVIVED, accepted=True)
    assert result.caught_percent == 75
    assert report([result], seed=5).splitlines() == [
        "libs/tiny/src/tiny/sums.py:6 in unseen",
        "- return a + 1",
        "+ return a - 1",
        "",
        "seed 5",
        "package             places    tested    caught      hung  survived  accepted",
        "tiny                     9         4      75 %         1         1         1",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flashmoney"], "PACKAGE: flashmoney is none of flashbus, flashmsg"),
        (["--sample", "0"], "argument --sample: at least 1"),
        (["--threshold", "101"], "argument --threshold: from 0 to 100"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err
