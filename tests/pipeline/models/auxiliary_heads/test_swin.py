import numpy as np

from tests.pipeline.models.auxiliary_heads.small_head import DIM, build, random_map, scrambled


def reach(jt, rng, depth) -> np.ndarray:
    """(6, 6) bool: which patches' outputs depend on the one at (1, 1), with windows of 3."""
    head = scrambled(build("swin", depth=depth), rng)
    feature_map = random_map(rng, (6, 6), batch=1)
    changed = feature_map.copy()
    changed[0, 1, 1] = rng.normal(size=DIM)
    out, other = (head.mixed(jt.array(x)).numpy() for x in (feature_map, changed))
    return np.abs(out - other)[0].max(axis=-1) > 1e-6


def test_the_first_block_stays_within_windows_and_the_second_crosses_them(jt, rng):
    first = reach(jt, rng, 1)
    assert first[:3, :3].all()
    assert first.sum() == 9
    second = reach(jt, rng, 2)
    assert second[3, 3]  # of the shifted window (1..3) x (1..3)
    assert not second[5].any(), "the map's edges see each other"


def test_a_window_larger_than_the_map_is_the_map(jt):
    # 4 x 4 patches of global crops: relative positions -3..3 on both axes.
    table = build("swin", window_size=7).blocks[0].mixing.relative_position_bias
    assert table.shape == [49, 3]


def test_the_bias_tells_places_apart(jt, rng):
    """Without it, attention inside a window would be blind to the order of its patches."""
    head = scrambled(build("swin", depth=1, window_size=4), rng)
    feature_map = random_map(rng, batch=1)
    turned = feature_map[:, ::-1].copy()
    with_bias = head(jt.array(feature_map)).numpy() - head(jt.array(turned)).numpy()
    table = head.blocks[0].mixing.relative_position_bias
    table.assign(jt.zeros_like(table))
    without = head(jt.array(feature_map)).numpy() - head(jt.array(turned)).numpy()
    assert np.abs(with_bias).max() > 1e-2
    assert np.abs(without).max() < 1e-4


def test_the_bias_does_not_decay(jt):
    from pipeline.optim.param_groups import decays

    named = dict(build("swin").named_parameters())
    name = "blocks.1.mixing.relative_position_bias"
    assert not decays(name, named[name].shape)
