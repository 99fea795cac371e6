import json
import os
import threading

import pytest

from pipeline.graph.unreferenced import delete, unreferenced
from pipeline.storage.artifacts import (
    artifact_directory,
    fault,
    holder,
    locked,
    output_records,
    place_link,
    read_stamp,
    record_experiment,
    referenced,
)


def artifact(results, stage="knn", fingerprint="f" * 64):
    directory = artifact_directory(results, stage, fingerprint)
    directory.mkdir(parents=True)
    (directory / "rows.json").write_text("[1]")
    stamp = {"fingerprint": fingerprint, "name": "a", "outputs": output_records(directory)}
    (directory / "stamp.json").write_text(json.dumps(stamp))
    return directory


def test_only_outputs_are_recorded(tmp_path):
    logs = ("stage.log", "stage.rank1.log")
    others = ("stamp.json", "job.json", "checkpoint-5.npz", "x.partial", ".tmpAD56yJ", "checkpoints/a")
    for name in (*logs, *others):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "out.bin").write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert output_records(tmp_path) == {"deep/out.bin": {"size": 3, "sha256": abc}}


def test_what_is_wrong_with_an_artifact_is_said(tmp_path):
    directory = artifact(tmp_path)
    assert fault(directory, "f" * 64) is None
    assert "another fingerprint" in fault(directory, "f" * 16 + "0" * 48)
    (directory / "rows.json").write_text("[")
    assert fault(directory, "f" * 64) == "output rows.json has 1 bytes, its stamp says 3"
    (directory / "rows.json").unlink()
    assert fault(directory, "f" * 64) == "output rows.json is missing"
    (directory / "stamp.json").write_text('{"finger')
    assert fault(directory, "f" * 64) == "never run"
    (directory / "job.json").write_text("{}")
    assert fault(directory, "f" * 64) == "interrupted"


@pytest.mark.parametrize("name", ["/etc/hostname", "../rows.json", "a/../../rows.json", ""])
def test_a_stamp_that_names_a_file_outside_is_none(tmp_path, name):
    directory = artifact(tmp_path)
    stamp = {"fingerprint": "f" * 64, "outputs": {name: {"size": 3}}}
    (directory / "stamp.json").write_text(json.dumps(stamp))
    assert read_stamp(directory) is None


def test_a_second_holder_waits_and_is_told_for_whom(tmp_path):
    directory, told, order = tmp_path / "knn" / "f", [], []

    def second():
        with locked(directory, lambda who: told.append(who)) as (_, waited):
            order.append(("second", waited))

    with locked(directory) as (_, waited):
        assert not waited
        thread = threading.Thread(target=second)
        thread.start()
        while not told:
            thread.join(0.01)
        order.append("first ends")
    thread.join()
    assert order == ["first ends", ("second", True)]
    assert told[0].startswith(f"process {os.getpid()} on ")
    assert holder(directory) is None


def test_a_lock_is_held_while_a_copy_of_its_descriptor_lives(tmp_path):
    with locked(tmp_path / "a") as (descriptor, _):
        copy = os.dup(descriptor)
    assert holder(tmp_path / "a")
    os.close(copy)
    assert holder(tmp_path / "a") is None


def test_records_and_links_name_what_is_current_only(tmp_path):
    old, new = artifact(tmp_path, fingerprint="a" * 64), artifact(tmp_path, fingerprint="b" * 64)
    record_experiment(tmp_path, "e", config={}, artifacts={"knn-a": old, "knn-b": old})
    record_experiment(tmp_path, "e", config={}, artifacts={"knn-a": new})
    links = list((tmp_path / "e" / "artifacts").iterdir())
    assert [link.name for link in links] == ["knn-a"]
    assert os.readlink(links[0]) == "../../artifacts/knn/" + "b" * 16
    assert referenced(tmp_path) == {new}


def test_a_link_that_another_run_is_placing_is_left_alone(tmp_path):
    made = artifact(tmp_path)
    folder = tmp_path / "e" / "artifacts"
    folder.mkdir(parents=True)
    (folder / "knn-b.1-2.partial").symlink_to(made)
    record_experiment(tmp_path, "e", config={}, artifacts={"knn-a": made})
    assert sorted(link.name for link in folder.iterdir()) == ["knn-a", "knn-b.1-2.partial"]


def test_a_link_is_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    place_link(tmp_path / "link", tmp_path / "gone")
    place_link(tmp_path / "link", tmp_path / "a")
    assert (tmp_path / "link").resolve() == tmp_path / "a"


def test_collecting_spares_what_is_referenced_or_locked(tmp_path):
    kept, running, old = (artifact(tmp_path, fingerprint=letter * 64) for letter in "abc")
    record_experiment(tmp_path, "e", config={}, artifacts={"knn-a": kept})
    with locked(running):
        (found,) = unreferenced(tmp_path)
    assert (found.directory, found.name) == (old, "knn:a")
    assert found.num_bytes == sum(path.stat().st_size for path in old.iterdir())
    with locked(old):
        assert not delete(tmp_path, found)
    assert delete(tmp_path, found)
    assert sorted(path.name for path in old.parent.iterdir() if path.is_dir()) == [kept.name, running.name]


def test_nothing_is_collected_while_a_record_cannot_be_read(tmp_path):
    artifact(tmp_path)
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "experiment.json").write_text("{")
    with pytest.raises(ValueError, match=r"e/experiment\.json: not an experiment's record"):
        unreferenced(tmp_path)
