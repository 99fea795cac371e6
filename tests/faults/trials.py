"""One disturbed run of a toy project, then an undisturbed one, and what is wrong afterwards."""

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
    """A toy project that has run with some configurations, and the results of these undisturbed runs.

    Every trial begins with `restore`, so trials are independent.
    """

    project: Project
    shim: Shim
    runs: WarmRuns
    start: Path  # copy of the results folder of a finished run
    expected: dict[int, Outcome] = field(default_factory=dict)  # by number of epochs

    @classmethod
    def make(cls, folder: Path, epochs: tuple[int, ...] = (3,)) -> "Bench":
        """Run a project in `folder` for each number of epochs; trials start from the first one's results."""
        project = Project(folder / "project")
        project.folder.mkdir(parents=True)
        project.write()
        (project.folder / "results").mkdir()
        shim = Shim(folder, project.folder / "results")
        runs = WarmRuns(project.folder, shim.library, project.environment())
        bench = cls(project, shim, runs, folder / "start")
        for number in epochs:
            project.configure(epochs=number)
            project.ran()  # as a user does; later runs are forks of a warm process
            if number == epochs[0]:
                shutil.copytree(project.folder / "results", bench.start, symlinks=True)
            bench.expected[number] = outcome(project)
        bench.restore()
        return bench

    def restore(self, *, fresh: bool = False) -> None:
        """Restore the results of the first run; or the state before any run."""
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
        """Run `doit <arguments>` for the experiment to its end."""
        run = self.begin(*arguments, variables=variables)
        run.wait(timeout=PATIENCE_SECONDS)
        return run

    def left_processes(self) -> list[str]:
        """Processes of runs that outlive them."""
        return left_processes(self.project, besides=self.runs.pid)

    def settle(self, epochs: int | None = None, *, verify: bool = False) -> list[str]:
        """Run the experiment undisturbed, and return everything that is wrong.

        Args:
            verify: first run `verify`, because a run alone does not notice damage.
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
    """Restores the bench without one stage's artifact, so that a run makes only that stage."""
    path = bench.project.folder / "results" / next(iter(bench.expected.values())).record["artifacts"][link]

    def prepare() -> None:
        bench.restore()
        shutil.rmtree(path)

    return prepare


def calls_of(bench: Bench, prepare: Callable[[], None]) -> str:
    """Letters of the calls of an undisturbed run after `prepare`, in order."""
    prepare()
    done = bench.doit("run", "all", variables=bench.shim.environment())
    assert done.returncode == 0, done.output
    return bench.shim.calls()


def failing_call(bench: Bench, prepare: Callable[[], None], kind: str, at: int) -> list[str]:
    """Do a run whose call number `at` fails, then an undisturbed one; return what is wrong after both."""
    prepare()
    done = bench.doit("run", "all", variables=bench.shim.environment(kind, at))
    problems = bench.settle()
    if kind in ("error", "full"):
        problems += _tracebacks("the disturbed run", done.output)
    return [f"{kind} at call {at}: {problem}" for problem in problems]
