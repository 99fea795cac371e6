import io
import os
from types import SimpleNamespace

import pytest

from pipeline.graph.reporter import StageReporter


def test_stages_that_run_at_once_have_seconds_of_their_own(monkeypatch):
    now = iter([0.0, 1.0, 3.0, 10.0, 11.5, 12.0])  # a run, two starts, two ends, its end
    # The name, not the clock: pytest and its plugins look at that too.
    monkeypatch.setattr("pipeline.graph.reporter.time", SimpleNamespace(monotonic=lambda: next(now)))
    stream = io.StringIO()
    slow, quick = (SimpleNamespace(name=name, task_dep=[]) for name in ("pretrain:slow", "pretrain:quick"))
    reporter = StageReporter.of("e", {slow.name, quick.name}, {})(stream, {})
    reporter.initialize({slow.name: slow, quick.name: quick}, [slow.name, quick.name])
    reporter.execute_task(slow)
    reporter.execute_task(quick)
    reporter.add_success(quick)
    reporter.add_success(slow)
    reporter.complete_run()
    assert stream.getvalue().splitlines() == [
        "[1/2] pretrain:slow",
        "[2/2] pretrain:quick",
        "      pretrain:quick: 7.0 s",
        "      pretrain:slow: 10.5 s",
        "e: 2 of 2 stages ran, 12.0 s",
    ]


def test_a_reader_that_has_gone_ends_the_run_without_a_traceback(monkeypatch):
    class Unread(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    replaced = []
    reporter = StageReporter.of("e", set(), {})(Unread(), {})
    # Only meanwhile: pytest duplicates descriptors too.
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "dup2", lambda source, target: (os.close(source), replaced.append(target)))
        with pytest.raises(SystemExit) as ended:
            reporter.add_failure(SimpleNamespace(name="plan"), SimpleNamespace(get_msg=lambda: "why"))
    assert (ended.value.code, replaced) == (141, [1])
