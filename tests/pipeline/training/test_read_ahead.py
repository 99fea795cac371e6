import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.training.block_order import BlockOrder, Window
from pipeline.training.read_ahead import ReadAhead

ORDER = BlockOrder(num_images=1000, block=10, buffer=100, seed=0)
LAST = Window(1, 9)


class Storage:
    """Files whose content is their place, and a count of those read and not yet taken."""

    def __init__(self):
        self.blocks, self.held, self.most_held = [], 0, 0

    def read(self, positions):
        self.blocks.append(positions.tolist())
        self.held += len(positions)
        self.most_held = max(self.most_held, self.held)
        return [b"%d" % place for place in positions]


def take(reader, step, size=16):
    return [
        (place, content)
        for window, positions in ORDER.parts_of_step(step, size)
        for place, content in zip(positions.tolist(), reader.take(window, positions), strict=True)
    ]


def test_each_file_is_read_once_an_epoch_in_whole_blocks_and_no_more_than_two_windows_are_held():
    storage = Storage()
    reader = ReadAhead(ORDER, storage.read, LAST)
    for step in range(125):
        taken = take(reader, step)
        assert all(content == b"%d" % place for place, content in taken)
        storage.held -= len(taken)
    assert sorted(np.concatenate(storage.blocks)) == sorted([*range(1000), *range(1000)])
    assert {len(block) for block in storage.blocks} == {10}
    assert storage.most_held <= 200 + 16


def test_what_is_taken_depends_on_the_step_alone():
    """Out of order, twice, and first in the middle of a window, as after a resume."""
    expected = {step: take(ReadAhead(ORDER, Storage().read, LAST), step) for step in (3, 40, 41, 70)}
    reader = ReadAhead(ORDER, Storage().read, LAST)
    for step in (41, 40, 3, 41, 70, 3, 70):
        assert take(reader, step) == expected[step]


def test_many_threads_take_what_one_takes():
    expected = [take(ReadAhead(ORDER, Storage().read, LAST), step) for step in range(60)]
    reader = ReadAhead(ORDER, Storage().read, LAST)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda step: take(reader, step), range(60))) == expected


def test_the_next_window_is_read_while_one_is_used_and_none_after_the_last():
    read = threading.Event()

    def reading(positions):
        if set(positions.tolist()) <= set(ORDER.images(Window(0, 1)).tolist()):
            read.set()
        return [b""] * len(positions)

    reader = ReadAhead(ORDER, reading, Window(0, 1))
    reader.take(Window(0, 0), ORDER.images(Window(0, 0))[:1])
    assert read.wait(10)
    storage = Storage()
    reader = ReadAhead(ORDER, storage.read, Window(0, 0))
    reader.take(Window(0, 0), ORDER.images(Window(0, 0)))
    time.sleep(0.05)
    assert len(storage.blocks) == 10


def test_what_cannot_be_read_is_raised_where_it_is_taken():
    def failing(positions):
        raise ValueError(f"image {positions[0]}")

    with pytest.raises(ValueError, match="image "):
        take(ReadAhead(ORDER, failing, LAST), 0)


def test_places_of_no_files_are_none():
    reader = ReadAhead(ORDER, lambda positions: [None] * len(positions), LAST)
    assert reader.take(Window(0, 0), np.array([ORDER.images(Window(0, 0))[0]])) == [None]
