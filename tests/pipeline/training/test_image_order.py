import numpy as np
import pytest

from pipeline.finetune.order import training_rows
from pipeline.training.image_order import rows_of_step

ROWS = np.array([3, 5, 8, 13, 21, 34, 55])


def seen(seed, num_steps, batch_size):
    return np.concatenate([training_rows(ROWS, seed, step, batch_size) for step in range(num_steps)])


def test_every_image_comes_equally_often():
    _, counts = np.unique(seen(0, num_steps=14, batch_size=3), return_counts=True)
    assert counts.tolist() == [6] * 7


def test_epochs_are_permutations_laid_end_to_end():
    order = seen(1, num_steps=7, batch_size=4).reshape(4, 7)
    assert all(sorted(epoch) == ROWS.tolist() for epoch in order)
    assert len({tuple(epoch) for epoch in order}) == 4


def test_a_step_is_a_function_of_seed_and_step():
    assert training_rows(ROWS, 4, 9, 5).tolist() == training_rows(ROWS, 4, 9, 5).tolist()
    assert seen(4, 5, 7).tolist() != seen(5, 5, 7).tolist()


def test_a_set_smaller_than_a_batch_fills_it():
    rows = training_rows(np.array([2]), seed=0, step=3, batch_size=4)
    assert rows.tolist() == [2] * 4


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        training_rows(np.array([], int), 0, 0, 4)


def test_pretraining_and_fine_tuning_draw_their_own_orders():
    assert rows_of_step(ROWS, 0, 7, seed=1).tolist() != training_rows(ROWS, 1, 0, 7).tolist()


def test_the_order_is_that_of_a_whole_permutation_and_drawn_once_an_epoch(monkeypatch):
    from pipeline.training import image_order
    from pipeline.training.random_generators import Purpose, generator

    drawn = []

    def counted(*index):
        drawn.append(index)
        return generator(*index)

    monkeypatch.setattr(image_order, "generator", counted)
    rows = np.arange(1000)
    found = np.concatenate([rows_of_step(rows, step, 10, seed=77) for step in range(150)])
    for epoch, part in ((0, found[:1000]), (1, found[1000:])):
        expected = generator(77, Purpose.ORDER, epoch).permutation(1000)
        assert part.tolist() == expected[: len(part)].tolist()
    assert len(drawn) == 2
