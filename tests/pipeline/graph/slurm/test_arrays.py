import threading

import pytest

from pipeline.graph.slurm.arrays import Gathering
from pipeline.graph.slurm.record import JobRecord, array_name


def answers(gathering: Gathering, items) -> dict:
    """What each of as many threads gets for its item, or the error that it meets."""
    found = {}

    def ask(item):
        try:
            found[item] = gathering.answer(item)
        except ValueError as error:
            found[item] = error

    threads = [threading.Thread(target=ask, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def test_what_comes_together_is_done_in_one_call_and_each_gets_its_own_answer():
    calls = []

    def act(items):
        calls.append(sorted(items))
        return [10 * item for item in items]

    gathering = Gathering(act, quiet_seconds=2, most_seconds=20)
    assert answers(gathering, [1, 2, 3]) == {1: 10, 2: 20, 3: 30}
    assert answers(gathering, [4]) == {4: 40}
    assert calls == [[1, 2, 3], [4]]


def test_a_failure_is_that_of_all_and_not_of_those_that_come_later():
    def act(items):
        if 1 in items:
            raise ValueError("refused")
        return items

    gathering = Gathering(act, quiet_seconds=2, most_seconds=20)
    assert {str(error) for error in answers(gathering, [1, 2]).values()} == {"refused"}
    assert gathering.answer(3) == 3


def test_an_array_is_named_by_all_that_it_makes(tmp_path):
    first, second = (tmp_path / "results" / "artifacts" / "pretrain" / name for name in "ab")
    assert array_name([first, second]).startswith("pretrain-array-")
    assert array_name([first, second]) != array_name([second, first])


@pytest.mark.parametrize(
    ("element", "job_id", "its_own"), [(1, "7_1", True), (1, "7_11", False), (None, "7", True)]
)
def test_an_element_is_told_from_the_others_of_its_array(element, job_id, its_own):
    assert JobRecord("n", element=element).is_of(job_id) is its_own
