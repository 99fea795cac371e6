import pytest

from pipeline.storage.files import write_json


@pytest.fixture
def output(tmp_path):
    """Artifact of a stage in a results folder, as the graph makes it."""
    folder = tmp_path / "results" / "artifacts" / "pretrain" / "0123456789abcdef"
    folder.mkdir(parents=True)
    write_json(folder / "job.json", {"stage": "pretrain", "name": "hssl-seed0"})
    return folder
