"""What is damaged in an artifact is found, and nothing else."""

import json

import pytest

from pipeline.storage.artifacts import (
    DAMAGED,
    STAMP,
    artifact_directory,
    fault,
    output_records,
    read_stamp,
    write_stamp,
)
from pipeline.storage.verifying import damage, mark, set_aside, stamp_damage

F = "f" * 64


@pytest.fixture
def artifact(tmp_path):
    """A finished artifact of three outputs, with a log and a checkpoint."""
    directory = artifact_directory(tmp_path, "knn", F)
    (directory / "deep").mkdir(parents=True)
    for name in ("rows.json", "deep/more.bin", "empty", "stage.log", "checkpoint.safetensors", "job.json"):
        (directory / name).write_bytes(b"" if name == "empty" else b"as it was written")
    write_stamp(directory, {"fingerprint": F, "seconds": 0.25, "outputs": output_records(directory)})
    return directory


def flip(path, place=3, bit=2):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def test_an_artifact_as_it_was_written_has_no_damage(artifact):
    (artifact / "stage.log").write_text("logs and checkpoints are no outputs")
    (artifact / "checkpoint.safetensors").unlink()
    assert damage(artifact) == []


def test_each_kind_of_damage_is_named(artifact):
    flip(artifact / "rows.json")
    (artifact / "deep" / "more.bin").write_bytes(b"as it")
    (artifact / "empty").unlink()
    found = {each.file: str(each) for each in damage(artifact)}
    expected = read_stamp(artifact)["outputs"]["rows.json"]["sha256"]
    assert found.keys() == {"rows.json", "deep/more.bin", "empty"}
    assert found["rows.json"].startswith(f"rows.json: expected SHA-256 {expected}, found ")
    assert found["deep/more.bin"] == "deep/more.bin: expected 17 bytes, found 5 bytes"
    assert found["empty"] == "empty: expected 0 bytes, found no file"


def test_a_stamp_proves_itself(artifact):
    text = (artifact / STAMP).read_text()
    for damaged in (text.replace("0.25", "9.25"), text.replace("0.25", "NaN"), text[:40], "[]"):
        (artifact / STAMP).write_text(damaged)
        assert [each.file for each in damage(artifact)] == [STAMP]


def test_a_stamp_of_an_older_version_is_compared_as_far_as_it_goes(artifact):
    stamp = json.loads((artifact / STAMP).read_text())
    del stamp["sha256"], stamp["outputs"]["rows.json"]["sha256"]
    (artifact / STAMP).write_text(json.dumps(stamp))
    flip(artifact / "rows.json")
    assert damage(artifact) == []
    (artifact / "rows.json").write_bytes(b"")
    assert [each.file for each in damage(artifact)] == ["rows.json"]


def test_what_is_marked_counts_as_not_made_until_its_stage_has_run(artifact):
    flip(artifact / "rows.json")
    assert fault(artifact, F) is None
    assert mark(artifact, damage(artifact))
    assert fault(artifact, F) == "found damaged, see damaged.json"
    (written,) = json.loads((artifact / DAMAGED).read_text())
    assert written["file"] == "rows.json"
    set_aside(artifact)
    assert fault(artifact, F) == "interrupted"
    # What was whole stays, and what was damaged cannot be taken for whole.
    assert sorted(path.name for path in artifact.rglob("*") if path.is_file()) == [
        "checkpoint.safetensors", "empty", "job.json", "more.bin", "stage.log",
    ]  # fmt: skip


def test_what_was_made_again_meanwhile_is_not_marked(artifact):
    flip(artifact / "rows.json")
    found = damage(artifact)
    flip(artifact / "rows.json")
    assert not mark(artifact, found)
    assert fault(artifact, F) is None


def test_what_a_kill_left_half_written_is_gone_before_the_stage_runs_again(artifact):
    for name in ("a.7-8.partial", "deep/.tmpAD56yJ"):
        (artifact / name).write_bytes(b"half")
    (artifact / "b.7-8.partial").mkdir()
    set_aside(artifact)
    assert sorted(path.name for path in artifact.rglob("*")) == [
        "checkpoint.safetensors", "deep", "empty", "job.json", "more.bin", "rows.json", "stage.log",
    ]  # fmt: skip


def test_a_shortened_output_is_gone_before_its_stage_runs_again(artifact):
    (artifact / "rows.json").write_bytes(b"as")
    set_aside(artifact)
    assert not (artifact / "rows.json").exists()
    assert (artifact / "deep" / "more.bin").exists()


def test_a_stamp_with_another_digit_is_told_from_one_that_was_written(tmp_path):
    """Found by histories: what read such an artifact ran again, twice; a run looks at this too."""
    write_stamp(tmp_path, {"outputs": {}, "name": "a"})
    stamp = read_stamp(tmp_path)
    assert stamp_damage(stamp) is None
    assert stamp_damage(stamp | {"name": "b"})[0] == f"SHA-256 {stamp['sha256']}"
