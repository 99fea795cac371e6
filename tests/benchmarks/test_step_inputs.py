import numpy as np
import pytest

from benchmarks.step_inputs import distance_from, drawn_drop_path, step_batches
from benchmarks.step_sizes import STEP_SIZES, step_config


@pytest.mark.parametrize("size", STEP_SIZES)
def test_batches_are_the_same_every_time_and_have_masks(size):
    config = step_config(size)
    batches, again = step_batches(config), step_batches(config)
    for batch, other in zip(batches, again, strict=True):
        assert np.array_equal(batch.global_crops, other.global_crops)
        assert np.array_equal(batch.masks, other.masks)
    images, side = config.schedule.batch_size, config.crops.global_size
    assert batches[0].global_crops.shape == (2, images, 3, side, side)
    assert 0 < np.mean([batch.masks.mean() for batch in batches]) < 0.5
    assert len({int(batch.masks.sum()) for batch in batches}) > 1


def test_the_issue_s_sizes():
    small, large = step_config("small"), step_config("vit-small")
    assert (small.backbone.embed_dim, small.backbone.depth, small.backbone.patch_size) == (192, 12, 4)
    assert (small.schedule.batch_size, small.projection_head.num_prototypes) == (64, 1024)
    assert (large.backbone.embed_dim, large.backbone.image_size, large.backbone.patch_size) == (384, 224, 16)
    assert (large.schedule.batch_size, large.projection_head.num_prototypes) == (8, 8192)
    for config in (small, large):
        assert (config.auxiliary_head.kind, config.auxiliary_head.depth) == ("convnext", 3)
        assert (config.crops.num_global, config.crops.num_local) == (2, 0)


def test_stochastic_depth_is_that_of_a_step(jt):
    from pipeline.pretrain.drop_path_masks import draw_drop_path

    config = step_config("toy", {"regularisation": {"drop_path_rate": 0.5}})
    batch = step_batches(config)[0]
    expected = draw_drop_path(config, batch, 3)
    base, head = drawn_drop_path(config, batch, 3)
    assert np.array_equal(base, expected["global base"].reshape(base.shape))
    assert np.array_equal(head, expected["global auxiliary"].reshape(head.shape))
    assert (base == 0).any()


def test_way_from(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(2, np.float32), "b": np.ones((1, 2), np.float32)}, tmp_path / "w")
    arrays = {"a": np.array([3, 0], np.float32), "b": np.array([[1, 5]], np.float32)}
    assert distance_from(tmp_path / "w", arrays.items()) == 5
