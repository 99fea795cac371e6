from pathlib import Path

from pipeline.graph.slurm.following import follow
from pipeline.graph.slurm.queue import JobState
from pipeline.graph.slurm.record import job_output, jobs_folder
from pipeline.storage.artifacts import STAMP


def test_what_is_said_of_a_job_that_draws_a_bar_is_a_line_of_its_own(tmp_path: Path):
    output, shown, asked = tmp_path / "results" / "artifacts" / "knn" / "f", [], []
    output.mkdir(parents=True)
    jobs_folder(output).mkdir()
    job_output(output, "7").write_bytes(b"starts\n\r 10%")

    def state(job_id: str) -> JobState:
        asked.append(job_id)
        if len(asked) == 3:
            (output / STAMP).touch()
        # First it waits, then it runs.
        return JobState(job_id, "PENDING" if len(asked) == 1 else "RUNNING", "node-a")

    assert follow("7", output, state, shown.append, poll_seconds=0) is None
    assert b"".join(shown) == (
        b"starts\n\r 10%\nSlurm's job 7: pending node-a\nSlurm's job 7: running node-a\n"
    )
