import numpy as np

from pipeline.models.drop_path import drop_path_rates, drop_path_scales


def test_rates_run_over_base_and_head_together():
    # ViT-B with three head blocks: the last base block has 0.1 * 11 / 14.
    assert np.isclose(drop_path_rates(0.1, 12, 3)[11], 0.1 * 11 / 14)
    assert np.isclose(drop_path_rates(0.1, 12, 0)[11], 0.1)


def test_scales_keep_the_mean(rng):
    scales = drop_path_scales(rng, np.array([0.0, 0.5]), num_branches=2, num_images=4000)
    assert scales.shape == (2, 2, 4000)
    assert (scales[0] == 1).all()
    assert set(np.unique(scales[1])) == {0.0, 2.0}
    assert abs(scales[1].mean() - 1) < 0.05
