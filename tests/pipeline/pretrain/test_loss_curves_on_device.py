"""bfloat16 trains as float32 does, within the spread of seeds: over the device sources, on the processor.

The first steps of a training like that of `python -m tests.cuda_on_host.loss_curves`; figures are in
docs/gpu.md.
"""

import numpy as np
import pytest

from tests.cuda_on_host.loss_curves import Comparison, config_of, loss_curve, prepared, windows

STEPS, WINDOW = 120, 20
SEEDS = (0, 1, 2)


def test_a_comparison_says_how_far_bfloat16_is():
    float32 = np.array([[3.0, 2.0], [5.0, 4.0]])  # deviations between seeds: sqrt 2
    found = Comparison(float32, np.array([[4.0, 1.0]]))
    np.testing.assert_allclose(found.deviation, np.sqrt([2, 2]))
    np.testing.assert_allclose(found.same_seed, [np.sqrt([0.5, 0.5]) * [1, -1]])
    assert found.spread == pytest.approx(np.sqrt(2))
    assert found.rounding == 1
    assert found.outside == 0.5  # 4 lies between 3 and 5, 1 is below 2


def test_windows_leave_out_what_fills_none():
    assert windows(np.arange(7.0), 3).tolist() == [1.0, 4.0]


@pytest.mark.slow
def test_the_first_steps_of_bfloat16_are_those_of_float32_within_the_spread_of_seeds(
    jt, monkeypatch, tmp_path
):
    from pipeline import kernels
    from pipeline.kernels import precision
    from tests.cuda_on_host.loading import use_device_sources

    if jt.flags.use_cuda:
        pytest.skip("for the processor's build of the sources")
    monkeypatch.setattr(precision, "architecture", lambda: (9, 0))
    use_device_sources(monkeypatch)
    dataset = prepared(tmp_path / "data")

    def curve(chosen: str, seed: int) -> np.ndarray:
        return windows(loss_curve(config_of(STEPS, seed), dataset, chosen), WINDOW)

    try:
        found = Comparison(
            np.stack([curve("float32", seed) for seed in SEEDS]), curve("bfloat16", SEEDS[0])[None]
        )
    finally:
        kernels.use_precision("float32")
    # It learns, and another seed makes another curve: else nearness would say nothing.
    assert (found.float32[:, -1] < 0.98 * found.float32[:, 0]).all()
    assert (found.deviation > 0).all()
    assert np.abs(found.bfloat16 - found.float32[:1]).max() > 0
    # Rounding moves a curve by less than another seed does.
    assert found.rounding < found.spread
