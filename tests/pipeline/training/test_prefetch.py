import itertools
import threading
import time

import pytest

from pipeline.training.prefetch import prefetch


def prefetch_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_results_come_in_order_whatever_they_take(num_threads):
    def make(step):
        time.sleep(0.01 if step % 3 == 0 else 0)
        return step * step

    assert list(prefetch(make, range(20), num_threads=num_threads, depth=5)) == [n * n for n in range(20)]
    assert not prefetch_threads()


def test_no_more_than_depth_ahead():
    made = []
    batches = prefetch(lambda step: made.append(step) or step, itertools.count(), num_threads=2, depth=3)
    assert next(batches) == 0
    time.sleep(0.05)
    assert max(made) <= 2
    assert next(batches) == 1
    batches.close()
    assert max(made) <= 3


def test_an_error_surfaces_at_its_step_and_ends_the_threads():
    def make(step):
        if step == 2:
            raise ValueError("image 7 is broken")
        return step

    batches = prefetch(make, range(10))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match="image 7"):
        next(batches)
    assert not prefetch_threads()
    with pytest.raises(StopIteration):
        next(batches)


def test_closing_ends_the_threads():
    batches = prefetch(lambda step: time.sleep(0.01), itertools.count())
    next(batches)
    assert prefetch_threads()
    batches.close()
    assert not prefetch_threads()


def test_batches_are_made_in_other_threads_at_once():
    meeting = threading.Barrier(2, timeout=100)
    names = list(prefetch(lambda step: meeting.wait() and threading.current_thread().name, range(2), depth=2))
    assert len(names) == 2
    assert not prefetch_threads()


def test_impossible_depth_is_refused_at_once():
    with pytest.raises(ValueError, match="got 2 and 0"):
        prefetch(str, [1], depth=0)
