import pytest

from pipeline.graph.makers import maker
from pipeline.graph.slurm.orphaned_jobs import wait_for_orphaned_job
from pipeline.graph.slurm.record import JobRecord, job_name, job_output, record_path, write_record
from pipeline.graph.subprocesses import StageFailed
from pipeline.storage.artifacts import STAMP
from tests.pipeline.graph.slurm.programs import put_on_path


@pytest.fixture
def artifact(tmp_path):
    folder = tmp_path / "results" / "artifacts" / "knn" / "0123456789abcdef"
    folder.mkdir(parents=True)
    return folder


def test_without_a_record_nobody_is_asked(artifact, monkeypatch):
    put_on_path(artifact, monkeypatch, squeue="exit 1")
    assert wait_for_orphaned_job(artifact, print) is False
    assert maker(artifact) is None


def test_a_job_whose_number_was_not_written_down_is_found_by_name(artifact, tmp_path, monkeypatch):
    write_record(artifact, JobRecord(job_name(artifact)))
    put_on_path(tmp_path, monkeypatch, squeue=f'[ "$1" = --name={job_name(artifact)} ] && echo "7|RUNNING|n"')
    assert maker(artifact) == "Slurm's job 7 (running)"
    output = job_output(artifact, "7")
    output.parent.mkdir()
    output.write_bytes(b"half of it\n")
    (artifact / STAMP).touch()  # it ends while it is followed
    shown = []
    assert wait_for_orphaned_job(artifact, shown.append) is True
    assert b"half of it\n" in shown
    assert not record_path(artifact).exists()


def test_the_record_of_a_job_that_is_over_is_forgotten(artifact, tmp_path, monkeypatch):
    write_record(artifact, JobRecord(job_name(artifact), "7"))
    put_on_path(tmp_path, monkeypatch, squeue="echo '7|CANCELLED|'")
    assert wait_for_orphaned_job(artifact, print) is False
    assert not record_path(artifact).exists()


def test_where_slurm_cannot_be_asked_nothing_is_taken_over(artifact, tmp_path, monkeypatch):
    write_record(artifact, JobRecord(job_name(artifact), "7"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageFailed, match=r"slurm\.json says .*no squeue on this machine.*delete the file"):
        wait_for_orphaned_job(artifact, print)
    assert maker(artifact).startswith("a job of Slurm, maybe")
