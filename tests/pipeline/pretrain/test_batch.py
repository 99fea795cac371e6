import numpy as np
import pytest

from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.ranks.exchange import Ranks
from tests.pipeline.pretrain.small_run import small_config
from tests.pipeline.transforms.device_sources import load_on_device


@pytest.mark.parametrize("num_local", [0, 2])
def test_crops_of_a_packed_batch_are_those_of_the_processor(jt, tiny_dataset, num_local):
    from pipeline.pretrain.drop_path_masks import draw_drop_path

    load_on_device(jt)
    config = small_config(crops={"global_size": 24, "local_size": 12, "num_local": num_local})
    expected = BatchMaker(config, tiny_dataset)(3)
    found = BatchMaker(config, tiny_dataset, on_device=True)(3).rendered()
    for name in ("flat_global_crops", "flat_local_crops")[: 1 + bool(num_local)]:
        crops = getattr(found, name)
        assert isinstance(crops, jt.Var)
        np.testing.assert_array_equal(crops.numpy(), getattr(expected, name))
        half = getattr(found.microbatch(1, 2), name)
        np.testing.assert_array_equal(half.numpy(), getattr(expected.microbatch(1, 2), name))
    assert len(found.local_crops) == num_local
    assert np.array_equal(found.masks, expected.masks)
    drop_path = [draw_drop_path(config, batch, 3) for batch in (found, expected)]
    assert all(np.array_equal(drop_path[0][name], drop_path[1][name]) for name in drop_path[1])


def test_a_batch_of_arrays_is_rendered_already(tiny_dataset):
    batch = BatchMaker(small_config(), tiny_dataset)(0)
    assert batch.rendered() is batch


def test_ranks_draw_stochastic_depth_for_the_batch_and_take_their_share(jt, tiny_dataset):
    from pipeline.pretrain.drop_path_masks import draw_drop_path

    config = small_config()
    whole = draw_drop_path(config, BatchMaker(config, tiny_dataset)(3), 3)
    shares = []
    for ranks in (Ranks(0, 2), Ranks(1, 2)):
        share = BatchMaker(config, tiny_dataset, ranks=ranks)(3)
        shares.append(draw_drop_path(config, share, 3, ranks))
    for name, scales in whole.items():
        assert np.array_equal(np.concatenate([share[name] for share in shares], axis=3), scales), name
