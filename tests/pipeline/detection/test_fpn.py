from itertools import pairwise

import numpy as np
import pytest

from tests.level_maps import maps_of


def test_maps_that_do_not_fit(jt):
    from pipeline.detection.fpn import Fpn

    maps = [jt.ones((1, *size, 3)) for size in ((7, 4), (2, 2))]
    with pytest.raises(
        ValueError, match=r"expected a map \(1, 4, 2, 4\) below \(1, 7, 4, 4\), found \(1, 2, 2, 4\)"
    ):
        Fpn([3, 3], 4, 2)(maps)


@pytest.mark.parametrize("num_levels", [2, 3, 4])
def test_levels_beyond_the_maps_are_every_second_position(jt, rng, num_levels):
    from pipeline.detection.fpn import Fpn
    from pipeline.models.initialization import initialize_head

    network = Fpn([3, 3], 4, num_levels)
    initialize_head(network, seed=0)
    maps = [jt.array(rng.normal(size=(2, *size, 3)).astype(np.float32)) for size in ((10, 7), (5, 4))]
    levels = network(maps)
    found = [each.numpy() for each in maps_of(levels)]
    assert levels.sizes == ((10, 7), (5, 4), (3, 2), (2, 1))[:num_levels]
    for finer, coarser in pairwise(found[1:]):
        assert np.array_equal(coarser, finer[:, :, ::2, ::2])
