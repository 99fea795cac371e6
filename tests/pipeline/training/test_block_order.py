import numpy as np
import pytest

from pipeline.training.block_order import BlockOrder, Window

SIZES = [(1000, 16, 128), (7, 4, 4), (5, 8, 64), (200, 1, 1), (129, 64, 128)]  # images, block, buffer


def seen(order, num_steps, batch_size):
    steps = [list(order.parts_of_step(step, batch_size)) for step in range(num_steps)]
    assert all(sum(len(positions) for _, positions in parts) == batch_size for parts in steps)
    return np.concatenate([positions for parts in steps for _, positions in parts])


@pytest.mark.parametrize(("num_images", "block", "buffer"), SIZES)
def test_every_image_comes_once_an_epoch(num_images, block, buffer):
    order = BlockOrder(num_images, block, buffer, seed=1)
    epochs = seen(order, num_steps=num_images, batch_size=3).reshape(3, num_images)
    assert np.array_equal(np.sort(epochs, axis=1), np.tile(np.arange(num_images), (3, 1)))
    assert num_images < 100 or len(np.unique(epochs, axis=0)) == 3


@pytest.mark.parametrize(("num_images", "block", "buffer"), SIZES)
def test_a_window_holds_whole_blocks_and_no_more_than_the_buffer(num_images, block, buffer):
    order = BlockOrder(num_images, block, buffer, seed=1)
    window, sizes = Window(0, 0), []
    while window.epoch == 0:
        blocks, positions = order.blocks(window), order.images(window)
        assert all((np.diff(each) == 1).all() and each[0] % block == 0 for each in blocks)
        assert sorted(positions) == sorted(np.concatenate(blocks))
        sizes.append(len(positions))
        window = order.next(window)
    assert max(sizes) <= buffer
    assert sum(sizes) == num_images
    assert window == Window(1, 0)


def test_a_step_is_a_function_of_seed_and_step_alone():
    alone = [(w, p.tolist()) for w, p in BlockOrder(1000, 16, 128, 4).parts_of_step(77, 10)]
    order = BlockOrder(1000, 16, 128, 4)
    for step in (0, 300, 76):
        list(order.parts_of_step(step, 10))
    assert [(w, p.tolist()) for w, p in order.parts_of_step(77, 10)] == alone
    assert seen(BlockOrder(1000, 16, 128, 5), 50, 10).tolist() != seen(order, 50, 10).tolist()


def test_images_of_a_window_come_from_all_over_the_set():
    """Of 64 blocks that are drawn without order, the first and the last eighth are both met."""
    positions = BlockOrder(2**20, 256, 2**14, 0).images(Window(0, 0))
    assert len(positions) == 2**14
    assert positions.min() < 2**17
    assert positions.max() > 7 * 2**17
    assert np.abs(np.diff(positions[:1000])).mean() > 2**17  # neighbours in time are far apart in the set


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        BlockOrder(0, 1, 1, 0)
