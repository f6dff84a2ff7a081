"""One package's sample, tested."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from mutation.accepted import AcceptedSurvivors
from mutation.mutants import Mutant, Site, find_sites, sample
from mutation.workbench import Outcome, Verdict, Workbench

_BASELINE_LIMIT_SECONDS = 900.0
_LIMIT_FACTOR = 3.0
_SLOWER_FACTOR = 1.25


@dataclass(kw_only=True)
class PackageResult:
    """What became of the mutants of one package."""

    package: str
    sites: int
    caught: int = 0
    timed_out: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    accepted: list[Mutant] = field(default_factory=list)

    @property
    def tested(self) -> int:
        """Mutants that count: those whose survival is accepted do not."""
        return self.caught + self.timed_out + len(self.survivors)

    @property
    def caught_percent(self) -> float:
        """The share that the suite noticed, a hang included; 100 if nothing counted."""
        return 100.0 * (self.caught + self.timed_out) / self.tested if self.tested else 100.0

    def add(self, mutant: Mutant, outcome: Outcome, *, accepted: bool) -> None:
        """Count one verdict."""
        match outcome:
            case Outcome.CAUGHT:
                self.caught += 1
            case Outcome.TIMED_OUT:
                self.timed_out += 1
            case Outcome.SURVIVED:
                (self.accepted if accepted else self.survivors).append(mutant)


@dataclass(kw_only=True)
class _Pace:
    """How long the sound suite takes: longer whenever the machine has become busier."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """How packages are sampled.

    `modules` is a glob for file names: `*` or, for one module, `consumer.py`. A mutant that waits for ever is known by
    the time that it takes: three times the sound suite's, and `patience_seconds`. On a machine that was busy meanwhile
    that says nothing, so the sound suite is measured again before it counts.
    """

    workbench: Workbench
    accepted: AcceptedSurvivors
    sample_size: int
    seed: int
    modules: str
    patience_seconds: float
    say: Callable[[str], None]

    def run(self, member: Path) -> PackageResult:
        """Test the sample of one member (its folder, relative to the project).

        Raises:
            WorkbenchError: Its suite does not pass without a mutant, so that it can test none.
        """
        sites = self._sites(member)
        result = PackageResult(package=member.name, sites=len(sites))
        mutants = sample(sites, size=self.sample_size, seed=f"{self.seed} {member.name}")
        if not mutants:
            return result
        pace = _Pace(seconds=self._suite_seconds(member))
        self.say(f"{member.name}: {len(mutants)} of {len(sites)} places, the suite takes {pace.seconds:.0f} s")
        for number, mutant in enumerate(mutants, start=1):
            verdict = self._verdict(mutant, member, pace)
            reason = self.accepted.reason(mutant)
            result.add(mutant, verdict.outcome, accepted=reason is not None)
            self.say(f"{member.name} {number}/{len(mutants)} {_told(verdict)}: {mutant.place}")
            if verdict.outcome is Outcome.SURVIVED:
                self.say(f"{mutant.scope}\n{mutant.diff}" + (f"\naccepted: {reason}" if reason else ""))
        return result

    def _verdict(self, mutant: Mutant, member: Path, pace: _Pace) -> Verdict:
        """Test a mutant that ran out of time again, as long as the sound suite turns out to be slower than believed."""
        while True:
            limit = _LIMIT_FACTOR * pace.seconds + self.patience_seconds
            verdict = self.workbench.try_mutant(mutant, member, limit_seconds=limit)
            if verdict.outcome is not Outcome.TIMED_OUT:
                return verdict
            seconds = self._suite_seconds(member)
            if seconds <= _SLOWER_FACTOR * pace.seconds:
                return verdict
            pace.seconds = seconds

    def _suite_seconds(self, member: Path) -> float:
        return self.workbench.baseline(member, limit_seconds=_BASELINE_LIMIT_SECONDS)

    def _sites(self, member: Path) -> list[Site]:
        sites: list[Site] = []
        for file in sorted((self.workbench.root / member / "src").rglob("*.py")):
            path = file.relative_to(self.workbench.root)
            # What lies in `testing` is the tests' own equipment; contract tests hold it to the real thing.
            if "testing" not in path.parts and fnmatch(path.name, self.modules):
                sites += find_sites(path, file.read_text(encoding="utf-8"))
        return sites


def _told(verdict: Verdict) -> str:
    by = f" by {verdict.noticed_by}" if verdict.noticed_by else ""
    return f"{verdict.outcome}{by} in {verdict.seconds:.0f} s"
