"""Prints the progress of `doit run`: each stage's number, name and seconds, and a closing line."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TextIO

from pipeline.graph.printable import printable
from pipeline.graph.walk import reachable


class StageReporter:
    """A doit reporter that does not import doit. A subclass names the experiment's stages."""

    desc = "numbers the stages and shows how long each took"
    experiment: ClassVar[str] = ""
    stages: ClassVar[frozenset[str]] = frozenset()
    say: ClassVar[Callable[[str], None] | None] = None  # shows a line; None: written to doit's stream
    shown: ClassVar[dict[str, Path]] = {}  # task -> table or page shown at its end if it was selected

    @classmethod
    def of(
        cls,
        experiment: str,
        stages: set[str],
        shown: dict[str, Path],
        say: Callable[[str], None] | None = None,
    ) -> type["StageReporter"]:
        """The reporter class for one experiment."""
        say = None if say is None else staticmethod(say)
        return type(
            "Reporter", (cls,), {"experiment": experiment, "stages": stages, "shown": shown, "say": say}
        )

    def __init__(self, outstream: TextIO, options: dict[str, Any]):
        self.outstream = outstream
        self._total = self._number = self._ran = self._failed = 0
        self._run_started = time.monotonic()
        self._started: dict[str, float] = {}  # by task, because several may run at once
        self._errors: list[str] = []
        self._selected: set[str] = set()

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Count the stages that the selected tasks depend on."""
        self._selected = set(selected_tasks)
        chosen = reachable(selected_tasks, lambda name: tasks[name].task_dep)
        self._total = len(chosen & self.stages)

    def get_status(self, task: Any) -> None:
        """Print nothing until doit knows whether the stage must run."""

    def execute_task(self, task: Any) -> None:
        self._started[task.name] = time.monotonic()
        if task.name in self.stages:
            self._print(self._head(task))

    def add_success(self, task: Any) -> None:
        if task.name in self.stages:
            self._ran += 1
            self._print(f"      {task.name}: {time.monotonic() - self._started[task.name]:.1f} s")
        self._show(task)

    def add_failure(self, task: Any, fail: Any) -> None:
        self._failed += 1
        self._print(f"{task.name} failed:\n{fail.get_msg().rstrip()}")

    def skip_uptodate(self, task: Any) -> None:
        if task.name in self.stages:
            self._print(f"{self._head(task)}: up to date")
        self._show(task)

    def skip_ignore(self, task: Any) -> None:
        self._print(f"{task.name}: ignored (doit forget {task.name} ends that)")

    def teardown_task(self, task: Any) -> None:
        """No task has a teardown."""

    def cleanup_error(self, exception: Any) -> None:
        self._print(exception.get_msg())

    def runtime_error(self, message: str) -> None:
        self._errors.append(message)

    def complete_run(self) -> None:
        for message in self._errors:
            self._print(f"stopped: {message}")
        if self._total:
            seconds = time.monotonic() - self._run_started
            failed = f", {self._failed} failed" if self._failed else ""
            ran = f"{self._ran} of {self._total} stages ran"
            self._print(f"{self.experiment}: {ran}{failed}, {seconds:.1f} s")

    def _show(self, task: Any) -> None:
        if task.name in self._selected & self.stages and task.name in self.shown:
            path = self.shown[task.name]
            if path.suffix != ".txt":
                self._print(f"the page: {path}")
                return
            self._print(f"\n{path.read_text(encoding='utf-8')}\nits files: {path.parent}")

    def _head(self, task: Any) -> str:
        self._number += 1
        return f"[{self._number}/{self._total}] {task.name}"

    def _print(self, text: str) -> None:
        try:
            if self.say is not None:
                self.say(text)
                return
            self.outstream.write(f"{printable(text)}\n")
            self.outstream.flush()
        except BrokenPipeError:  # the reader is gone, as with `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise SystemExit(128 + signal.SIGPIPE) from None
