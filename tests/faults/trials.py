"""One disturbed run of a toy project, the run after it, and what is wrong then."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.outcomes import Outcome, differences, finished, left_processes, outcome
from tests.faults.shim import Shim
from tests.faults.warm_runs import WarmRun, WarmRuns
from tests.toy_stages.project import Project

PATIENCE_SECONDS = 600.0  # for a run to end; on a busy machine one takes minutes


@dataclass
class Bench:
    """A toy project that has run for some configurations, with what undisturbed runs of them made.

    Every trial begins with `restore`, so that one has no influence on the next.
    """

    project: Project
    shim: Shim
    runs: WarmRuns
    start: Path  # copy of the results folder of a finished run
    expected: dict[int, Outcome] = field(default_factory=dict)  # by number of epochs

    @classmethod
    def make(cls, folder: Path, epochs: tuple[int, ...] = (3,)) -> "Bench":
        """Run a project in `folder` for each number of epochs; trials start from the first."""
        project = Project(folder / "project")
        project.folder.mkdir(parents=True)
        project.write()
        (project.folder / "results").mkdir()
        shim = Shim(folder, project.folder / "results")
        runs = WarmRuns(project.folder, shim.library, project.environment())
        bench = cls(project, shim, runs, folder / "start")
        for number in epochs:
            project.configure(epochs=number)
            project.ran()  # as a user does; from here on, warm
            if number == epochs[0]:
                shutil.copytree(project.folder / "results", bench.start, symlinks=True)
            bench.expected[number] = outcome(project)
        bench.restore()
        return bench

    def restore(self, *, fresh: bool = False) -> None:
        """Put the results back as the first run left them; or as if nothing had run yet."""
        results = self.project.folder / "results"
        shutil.rmtree(results)
        if fresh:
            results.mkdir()
        else:
            shutil.copytree(self.start, results, symlinks=True)
        self.project.configure(epochs=next(iter(self.expected)))

    def begin(self, *arguments: str, variables: dict[str, str] | None = None) -> WarmRun:
        """Start `doit <arguments>` for the experiment."""
        environment = self.project.environment() | (variables or {})
        return self.runs.start(["doit", *arguments, "experiment=my.toml"], environment)

    def doit(self, *arguments: str, variables: dict[str, str] | None = None) -> WarmRun:
        """The same, to its end."""
        run = self.begin(*arguments, variables=variables)
        run.wait(timeout=PATIENCE_SECONDS)
        return run

    def left_processes(self) -> list[str]:
        """Processes of runs that outlive them."""
        return left_processes(self.project, besides=self.runs.pid)

    def settle(self, epochs: int | None = None, *, verify: bool = False) -> list[str]:
        """Run the experiment undisturbed, and return all that is not as it should be.

        Args:
            verify: look for damage first, which a run alone does not see.
        """
        epochs = next(iter(self.expected)) if epochs is None else epochs
        problems = [f"a process is left: {process}" for process in self.left_processes()]
        self.project.configure(epochs=epochs)
        kept = finished(self.project, self.expected[epochs])
        if verify:
            problems += _tracebacks("verify", self.doit("run", "verify").output)
        done = self.doit("run", "all")
        problems += _tracebacks("the run after it", done.output)
        if done.returncode:
            return [*problems, f"the run after it failed: {done.output[-2000:]}"]
        return [*problems, *differences(self.project, self.expected[epochs], kept)]


def _tracebacks(what: str, output: str) -> list[str]:
    return [f"{what} printed a traceback: {output[-2000:]}"] if "Traceback" in output else []


def missing_stage(bench: Bench, link: str) -> Callable[[], None]:
    """Restores the bench without one stage's artifact, so that a run makes that stage alone."""
    path = bench.project.folder / "results" / next(iter(bench.expected.values())).record["artifacts"][link]

    def prepare() -> None:
        bench.restore()
        shutil.rmtree(path)

    return prepare


def calls_of(bench: Bench, prepare: Callable[[], None]) -> str:
    """Letters of the calls that an undisturbed run makes after `prepare`, in their order."""
    prepare()
    done = bench.doit("run", "all", variables=bench.shim.environment())
    assert done.returncode == 0, done.output
    return bench.shim.calls()


def failing_call(bench: Bench, prepare: Callable[[], None], kind: str, at: int) -> list[str]:
    """A run whose call number `at` goes wrong, then an undisturbed one; what is wrong after both."""
    prepare()
    done = bench.doit("run", "all", variables=bench.shim.environment(kind, at))
    problems = bench.settle()
    if kind in ("error", "full"):
        problems += _tracebacks("the disturbed run", done.output)
    return [f"{kind} at call {at}: {problem}" for problem in problems]
