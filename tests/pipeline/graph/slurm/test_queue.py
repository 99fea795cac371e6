import pytest

from pipeline.graph.slurm.queue import JobState, Queue, SlurmError
from tests.pipeline.graph.slurm.programs import put_on_path

NOTHING = "exit 0"


def test_one_question_serves_all_jobs(tmp_path, monkeypatch):
    asked = tmp_path / "asked"
    squeue = f"echo x >> {asked}; echo '7|RUNNING|node1'; echo '8|PENDING|(Resources)'"
    put_on_path(tmp_path, monkeypatch, squeue=squeue, sacct=NOTHING)
    queue = Queue(max_age_seconds=60)
    assert queue.state("7") == JobState("7", "RUNNING", "node1")
    assert queue.state("8") == JobState("8", "PENDING", "(Resources)")
    assert asked.read_text().split() == ["x"]


def test_a_job_that_left_the_queue_is_not_taken_for_running(tmp_path, monkeypatch):
    put_on_path(tmp_path, monkeypatch, squeue="echo '7|RUNNING|node1'", sacct=NOTHING)
    queue = Queue(max_age_seconds=0)
    assert not queue.state("7").is_over
    put_on_path(tmp_path, monkeypatch, squeue=NOTHING)
    assert queue.state("7") is None
    put_on_path(tmp_path, monkeypatch, sacct="echo ' CANCELLED by 1000 '")
    assert queue.state("7") == JobState("7", "CANCELLED")


def test_silence_is_no_end(tmp_path, monkeypatch):
    put_on_path(tmp_path, monkeypatch, squeue="echo 'no controller' >&2; exit 1")
    with pytest.raises(SlurmError, match="squeue: no controller"):
        Queue(max_age_seconds=0).state("7")
