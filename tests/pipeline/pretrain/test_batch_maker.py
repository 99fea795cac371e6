import numpy as np
import pytest

from pipeline.config.stages import SmallCropsConfig
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.ranks.exchange import Ranks
from pipeline.transforms.crop_parameters import CropParameters
from pipeline.transforms.native import CROP_RECORD
from pipeline.transforms.packing import CROP_ORDER, IMAGE_ENTRY
from pipeline.transforms.rendering import render_crops
from tests.pipeline.pretrain.small_run import small_config


def test_arms_see_the_same_batches_at_one_seed(tiny_dataset):
    hssl = BatchMaker(small_config(), tiny_dataset)(5)
    ibot = BatchMaker(small_config(auxiliary_head=None), tiny_dataset)(5)
    for name in ("global_crops", "local_crops", "masks"):
        assert np.array_equal(getattr(hssl, name), getattr(ibot, name)), name
    other = BatchMaker(small_config(seed=4), tiny_dataset)(5)
    assert not np.array_equal(hssl.global_crops, other.global_crops)


def test_every_image_comes_once_an_epoch_and_no_epoch_is_like_another(tiny_dataset):
    maker = BatchMaker(small_config(), tiny_dataset)  # 4 images a step, 10 in an epoch
    rows = np.concatenate([maker.image_rows(step) for step in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert not np.array_equal(rows[:10], rows[10:])


def test_a_set_smaller_than_a_batch_is_repeated(tiny_dataset):
    config = small_config()
    large = config.model_copy(update={"schedule": config.schedule.model_copy(update={"batch_size": 24})})
    rows = BatchMaker(large, tiny_dataset).image_rows(0)
    assert sorted(np.bincount(rows)) == [2] * 6 + [3] * 4


def test_shapes(tiny_dataset):
    batch = BatchMaker(small_config(), tiny_dataset)(0)
    assert batch.global_crops.shape == (2, 4, 3, 24, 24)
    assert batch.local_crops.shape == (2, 4, 3, 12, 12)
    assert batch.masks.shape == (2, 4, 4, 4)
    half = batch.microbatch(1, 2)
    assert np.array_equal(half.global_crops, batch.global_crops[:, 2:])


@pytest.mark.parametrize("on_device", [False, True])
def test_the_shares_of_two_ranks_are_the_batch(tiny_dataset, on_device):
    whole = BatchMaker(small_config(), tiny_dataset)(5)
    shares = [
        BatchMaker(small_config(), tiny_dataset, on_device=on_device, ranks=Ranks(index, 2))(5)
        for index in range(2)
    ]
    assert np.array_equal(np.concatenate([share.masks for share in shares], axis=1), whole.masks)
    for index, share in enumerate(shares):
        expected = [each[:, 2 * index : 2 * index + 2] for each in (whole.global_crops, whole.local_crops)]
        found = _rendered(share) if on_device else [share.global_crops, share.local_crops]
        for crops, own in zip(found, expected, strict=True):
            assert np.array_equal(crops.reshape(own.shape), own)


def test_no_patch_is_hidden_before_the_epoch_that_says_so(tiny_dataset):
    late = BatchMaker(small_config(objective={"patch_start_epoch": 1}), tiny_dataset)  # from step 3 of 2.5 on
    always = BatchMaker(small_config(), tiny_dataset)
    for step in range(6):
        masks, expected = late(step).masks, always(step).masks
        assert np.array_equal(masks, expected if step > 2 else np.zeros_like(expected)), step
    assert any(always(step).masks.any() for step in range(3))


def test_a_batch_for_a_device_holds_the_same_decisions(tiny_dataset):
    for changes in ({}, {"crops": {"global_size": 24, "num_local": 0}}):
        config = small_config(**changes)
        expected = BatchMaker(config, tiny_dataset)(5)
        packed = BatchMaker(config, tiny_dataset, on_device=True)(5)
        assert np.array_equal(packed.masks, expected.masks)
        crops = [expected.global_crops, expected.local_crops]
        for again, made in zip(_rendered(packed), crops, strict=False):
            assert len(again) == made.shape[0] * made.shape[1]
            assert np.array_equal(again, made.reshape(again.shape))
        assert len(packed.images.orders) == 1 + bool(len(expected.local_crops))


def _rendered(packed):
    """The crops of a packed batch, made on the processor."""
    images = _images(packed.images, num_images=packed.masks.shape[1])
    for orders in packed.images.orders:
        end = orders.at + orders.num_crops * CROP_ORDER.itemsize
        records = packed.images.data[orders.at : end].view(CROP_ORDER)
        parameters = CropParameters(**{name: records[name] for name in CROP_RECORD.names})
        yield render_crops(images, parameters, orders.size, mean=packed.mean, std=packed.std)


def _images(packed, num_images):
    entries = packed.data[: num_images * IMAGE_ENTRY.itemsize].view(IMAGE_ENTRY).tolist()
    return [packed.data[at : at + 3 * h * w].reshape(h, w, 3) for at, h, w in entries]


def test_small_crops_first(tiny_dataset):
    config = small_config()
    small = SmallCropsConfig(size=12, share=0.16)  # of 12 steps
    schedule = config.schedule.model_copy(update={"small_crops": small})
    maker = BatchMaker(config.model_copy(update={"schedule": schedule}), tiny_dataset)
    plain, shapes = BatchMaker(config, tiny_dataset), []
    for step in range(5):
        batch, whole = maker(step), plain(step)
        shapes.append((batch.global_crops.shape[-1], batch.masks.shape[2:]))
        assert np.array_equal(maker.image_rows(step), plain.image_rows(step))
        assert np.array_equal(batch.local_crops, whole.local_crops)
        assert np.array_equal(batch.global_crops, whole.global_crops) == (step >= 2)
    assert shapes == [(12, (2, 2))] * 2 + [(24, (4, 4))] * 3
