"""The last two checkpoints: what is damaged is noticed, and the one before is used in its place."""

import builtins
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.training.checkpoint_files import (
    BEFORE,
    CHECKPOINT,
    Damaged,
    newest_intact,
    read_checkpoint,
    write_checkpoint,
    write_newest,
)
from pipeline.weights.arrays import write_arrays


def arrays(step: int) -> dict[str, np.ndarray]:
    return {"a": np.arange(6, dtype=np.float32).reshape(2, 3) * step, "b": np.array([step], np.int64)}


@pytest.fixture
def two(tmp_path):
    """A folder with the checkpoints of steps 2 and 3; that of step 1 is gone."""
    for step in (1, 2, 3):
        write_newest(tmp_path, arrays(step), {"step": step, "run": "r"})
    return tmp_path


def steps_used(folder) -> tuple[int | None, str]:
    messages = []
    saved = newest_intact(folder, messages.append)
    return saved and saved.metadata["step"], "; ".join(messages)


def test_the_last_two_are_kept(two):
    assert {path.name for path in two.iterdir()} == {CHECKPOINT, BEFORE}
    for name, step in ((CHECKPOINT, 3), (BEFORE, 2)):
        _, found, metadata = read_checkpoint(two / name)
        assert metadata == {"step": step, "run": "r"}
        np.testing.assert_array_equal(found["a"], arrays(step)["a"])
    assert steps_used(two) == (3, "")


def test_every_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / CHECKPOINT
    write_checkpoint(path, arrays(3), {"step": 3, "run": "r"})
    whole = path.read_bytes()
    header = int.from_bytes(whole[:8], "little")
    spaces = range(8 + len(whole[8 : 8 + header].rstrip()), 8 + header)  # padding says nothing
    for place in range(len(whole)):
        if place in spaces:
            continue
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(Damaged, match=r"checkpoint\.safetensors: "):
            read_checkpoint(path)


@pytest.mark.parametrize("num_bytes", [0, 7, 100, -1])
def test_a_truncated_newest_gives_way_to_the_one_before_and_says_so(two, num_bytes):
    newest = two / CHECKPOINT
    newest.write_bytes(newest.read_bytes()[:num_bytes])
    step, messages = steps_used(two)
    assert step == 2
    assert f"{newest}: not a readable safetensors file" in messages
    assert messages.endswith("going on from the checkpoint before, of step 2")
    # What was damaged never takes the place of what is whole.
    write_newest(two, arrays(4), {"step": 4, "run": "r"})
    assert read_checkpoint(two / CHECKPOINT).metadata["step"] == 4
    assert read_checkpoint(two / BEFORE).metadata["step"] == 2


def test_where_none_is_whole_training_starts_anew_and_says_so(two):
    for name in (CHECKPOINT, BEFORE):
        (two / name).write_bytes(b"nothing")
    step, messages = steps_used(two)
    assert step is None
    assert CHECKPOINT in messages
    assert messages.endswith("no checkpoint is whole: starting from step 0")


def test_a_kill_between_the_two_moves_loses_nothing(two, monkeypatch):
    really = os.replace

    def killed(old, new):
        if Path(new).name == CHECKPOINT:
            raise KeyboardInterrupt
        really(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_newest(two, arrays(4), {"step": 4, "run": "r"})
    assert not (two / CHECKPOINT).exists()
    assert steps_used(two) == (4, "")


def test_what_may_not_be_read_is_not_damaged(two, monkeypatch):
    """Root may read all, so the refusal is staged."""

    def refuse(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(PermissionError, match=r"checkpoint\.safetensors"):
        newest_intact(two, print)


def test_a_checkpoint_of_an_older_version_is_read(tmp_path):
    write_arrays(tmp_path / CHECKPOINT, arrays(5), {"step": 5, "run": "r"})
    assert read_checkpoint(tmp_path / CHECKPOINT).metadata == {"step": 5, "run": "r"}
