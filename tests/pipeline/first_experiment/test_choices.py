import pytest

from pipeline.first_experiment.choices import (
    DENSE_SHARE,
    MAX_EPOCHS,
    MIN_DENSE_STEPS,
    MIN_STEPS,
    NETWORKS,
    choose,
    dense_steps,
)
from pipeline.first_experiment.facts import Facts


def facts(num_train=6400, median=300):
    counts = {"train": num_train, "val": 10, "test": 10}
    return Facts("image-folder", "class", counts, 5, (median - 9, median, median + 9), 1.0)


def dearer_by_ten(network, batch_size):
    """Seconds of an epoch: 1, 10, 100, ..."""
    return 10.0 ** NETWORKS.index(network)


def test_the_dearest_network_that_can_be_trained_long_enough_is_chosen():
    # 100 steps an epoch: MIN_STEPS are 15 epochs.
    for seconds, index in ((16, 0), (160, 1), (1600, 2), (16e6, 6)):
        assert choose(facts(), seconds, dearer_by_ten).network == NETWORKS[index]


def test_the_time_is_filled_with_whole_epochs_up_to_a_limit():
    chosen = choose(facts(), 1999, dearer_by_ten)
    assert (chosen.epochs, chosen.num_steps, chosen.is_short) == (19, 1900, False)
    assert choose(facts(), 1e12, dearer_by_ten).epochs == MAX_EPOCHS


def test_images_are_hardly_enlarged():
    assert choose(facts(median=40), 1e9, dearer_by_ten).network.image_size == 32
    assert choose(facts(median=50), 1e9, dearer_by_ten).network.image_size == 64
    assert choose(facts(median=12), 1e9, dearer_by_ten).network == NETWORKS[0]


def test_too_little_time_is_said():
    chosen = choose(facts(), 3, dearer_by_ten)
    assert (chosen.network, chosen.epochs, chosen.is_short) == (NETWORKS[0], 3, True)
    assert chosen.num_steps < MIN_STEPS


def test_a_batch_is_no_larger_than_the_training_part():
    assert choose(facts(num_train=41), 1e9, dearer_by_ten).batch_size == 32
    assert choose(facts(num_train=2), 1e9, dearer_by_ten).batch_size == 2
    with pytest.raises(ValueError, match="at least 2 training images, found 1"):
        choose(facts(num_train=1), 1e9, dearer_by_ten)


def test_every_network_can_be_an_experiment_s():
    """Heads divide the width, patches the image, and the head's kernel is odd and fits its map."""
    for network in NETWORKS:
        assert network.embed_dim % network.num_heads == 0
        assert network.image_size % network.patch_size == 0
        assert network.kernel_size % 2 == 1
        assert 3 <= network.kernel_size <= network.image_size // network.patch_size


def test_dense_tasks_train_as_long_as_their_share_of_the_time_allows():
    assert dense_steps(1200, 600, 600 / DENSE_SHARE) == 1200  # they just fit
    assert dense_steps(1200, 600, 300 / DENSE_SHARE) == 600
    assert dense_steps(1200, 6e5, 60) == MIN_DENSE_STEPS
    assert dense_steps(100, 6e5, 60) == 100  # a preset may have fewer
