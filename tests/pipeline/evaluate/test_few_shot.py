import numpy as np

from pipeline.evaluate.few_shot import drawn_positions

LABELS = np.array([5, 1, 5, 5, 1, 9, 9, 5, 1, 9])


def test_each_class_gives_as_many_images_as_there_are_shots():
    for shots in (1, 2, 3):
        chosen = drawn_positions(LABELS, shots, draw=0)
        assert np.all(np.diff(chosen) > 0)
        assert np.unique(LABELS[chosen], return_counts=True)[1].tolist() == [shots] * 3


def test_a_draw_is_the_same_again_holds_its_fewer_shots_and_differs_from_others():
    draws = [tuple(drawn_positions(LABELS, 2, draw)) for draw in range(20)]
    assert draws == [tuple(drawn_positions(LABELS, 2, draw)) for draw in range(20)]
    assert len(set(draws)) > 5
    assert {*drawn_positions(LABELS, 1, 7)} < {*drawn_positions(LABELS, 3, 7)}


def test_every_image_of_a_class_is_drawn_as_often():
    drawn = [drawn_positions(LABELS, 1, draw) for draw in range(600)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    # Classes 5, 1 and 9 have 4, 3 and 3 images: 150 or 200 times each, with a standard deviation below 12.
    assert np.all(np.abs(counts - np.where(LABELS == 5, 150, 200)) < 50)
