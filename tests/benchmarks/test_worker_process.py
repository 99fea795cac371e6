"""A worker process, played by a small program."""

import time

import pytest

from benchmarks.worker_process import WorkerFailed, WorkerProcess

PROGRAM = """
import json, os, sys
name, parameters = sys.argv[1], json.loads(sys.argv[2])
print("hello", file=sys.stderr)
def answer(**content):
    print(json.dumps(content), flush=True)
if name == "fails":
    answer(error="ValueError: no such thing")
    sys.exit(0)
if name == "ends":
    sys.exit(3)
if name == "hangs":
    import time
    time.sleep(60)
answer(check={"threads": float(os.environ["OMP_NUM_THREADS"])}, extra={"e": 1.0}, peak_rss_mib=7.0)
for number, line in enumerate(sys.stdin):
    if name == "dies":
        os.abort()
    if line.strip() == "report":
        answer(report=[parameters])
    else:
        answer(value=float(number), peak_rss_mib=8.0)
"""


@pytest.fixture
def started(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    (tmp_path / "benchmarks" / "worker.py").write_text(PROGRAM)

    def start(name: str, patience: float = 30) -> WorkerProcess:
        return WorkerProcess(name, {"a": 1}, tmp_path, root=tmp_path, threads=3, patience=patience)

    return start


def test_it_repeats_as_often_as_it_is_asked(started):
    with started("works") as worker:
        assert (worker.check, worker.extra, worker.peak_rss_mib) == ({"threads": 3.0}, {"e": 1.0}, 7.0)
        assert [worker.repeat() for _ in range(3)] == [0.0, 1.0, 2.0]
        assert worker.peak_rss_mib == 8.0
        assert worker.report() == [{"a": 1, "threads": 3}]
        before = worker.cpu_seconds()
        time.sleep(0.3)
        assert worker.cpu_seconds() - before < 0.1  # it waits without using the processor


@pytest.mark.parametrize(
    ("name", "message"),
    [("fails", "no such thing"), ("ends", "ended without an answer"), ("hangs", "no answer within 2 s")],
)
def test_a_program_that_cannot_be_prepared(started, name, message):
    with pytest.raises(WorkerFailed, match=rf"{name}: .*{message}[\s\S]*"):
        started(name, patience=2 if name == "hangs" else 30)


def test_a_program_that_dies_says_its_last_words(started):
    with started("dies") as worker, pytest.raises(WorkerFailed, match="it last said:\nhello"):
        worker.repeat()
