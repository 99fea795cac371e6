"""Test images are grouped by size, in order, and loaded in threads."""

from pipeline.finetune.size_groups import loaded_groups, size_groups
from pipeline.ranks.exchange import Ranks


class Sizes:
    def __init__(self, sizes):
        self.sizes = sizes

    def size(self, row):
        return self.sizes[row]


def test_neighbours_of_one_size():
    dataset = Sizes([(64, 64), (64, 64), (60, 30), (64, 64)])
    groups = size_groups(dataset, [3, 0, 1, 2], lambda size: 10)
    assert list(groups) == [[3, 0, 1], [2]]
    assert list(size_groups(dataset, [], lambda size: 10)) == []


def test_no_more_than_one_pass_takes():
    dataset = Sizes([(64, 64)] * 7 + [(640, 480)] * 2)
    groups = size_groups(dataset, list(range(9)), lambda size: 3 if size == (64, 64) else 1)
    assert list(groups) == [[0, 1, 2], [3, 4, 5], [6], [7], [8]]


def test_each_with_what_was_loaded():
    dataset = Sizes([(8, 8), (8, 9), (8, 9)])
    found = loaded_groups(dataset, [0, 1, 2], lambda size: 2, load=lambda rows: sum(rows), num_threads=2)
    assert list(found) == [([[0]], [0], 0), ([[1, 2]], [1, 2], 3)]


def test_ranks_share_the_groups_in_rounds():
    dataset = Sizes([(8, 8), (8, 9), (9, 9)])

    def seen_by(index: int) -> list:
        ranks = Ranks(index, 2)
        return [*loaded_groups(dataset, [0, 1, 2], lambda size: 2, sum, num_threads=1, ranks=ranks)]

    rounds = [[[0], [1]], [[2]]]
    assert [each[0] for each in seen_by(0)] == [each[0] for each in seen_by(1)] == rounds
    assert [each[1:] for each in seen_by(0)] == [([0], 0), ([2], 2)]
    assert [each[1:] for each in seen_by(1)] == [([1], 1), ([2], 2)]  # nothing is left for it
