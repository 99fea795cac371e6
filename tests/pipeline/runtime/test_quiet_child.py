"""A child process whose output goes into a log."""

import os

import pytest

from pipeline.runtime import quiet_child
from pipeline.runtime.quiet_child import run_quietly


def test_the_exit_code_is_returned_and_the_log_keeps_what_was_there(tmp_path):
    log = tmp_path / "child.log"
    log.write_text("before\n")
    code = "import os, pipeline, sys; print(os.environ['X'], flush=True); sys.exit('wrong')"
    assert run_quietly(code, log, environment={**os.environ, "X": "set"}) == 1
    assert log.read_text() == "before\nset\nwrong\n"


def test_what_ends_the_call_ends_the_child(tmp_path, monkeypatch):
    monkeypatch.setattr(quiet_child, "_SECONDS_BETWEEN_REPORTS", 0.05)
    log = tmp_path / "child.log"

    def interrupt(seconds: float) -> None:
        if log.read_text().endswith("\n"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_quietly("import os, time; print(os.getpid(), flush=True); time.sleep(60)", log, waiting=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)
