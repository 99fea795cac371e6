"""Curves of losses in bfloat16 beside those in float32."""

import numpy as np
import pytest

from pipeline.runtime.processor import multiplies_bfloat16


@pytest.fixture
def module(jt):
    from benchmarks import rounded_losses

    return rounded_losses


def test_what_rounding_does_is_told_from_what_a_seed_does(module):
    exact = np.array([[9.0, 4.0], [9.3, 4.4], [9.6, 4.8]])
    found = module.compared(exact, exact + np.array([0.1, -0.1]))
    assert found["bias"] == pytest.approx(0, abs=1e-12)
    assert found["by rounding"] == pytest.approx(0.1)
    # Pairs are 0.3, 0.3 and 0.6 apart in the first window, 0.4, 0.4 and 0.8 in the second.
    assert found["by seed"] == pytest.approx(np.sqrt((0.54 + 0.96) / 6))
    assert found["windows outside"] == 0


def test_a_curve_beyond_all_seeds_is_outside(module):
    exact = np.array([[9.0, 4.0], [9.3, 4.4]])
    found = module.compared(exact, exact + np.array([0.0, 0.3]))
    assert found["windows outside"] == 0.5
    assert found["bias"] == pytest.approx(0.15)


def test_windows_hold_every_step_once(module):
    assert module.window_means(np.arange(7.0), 3).tolist() == [1.0, 3.5, 5.5]


@pytest.mark.slow
def test_bfloat16_trains_as_float32_does(module, tmp_path):
    """Two hundred steps, in which the loss falls: rounding moves it by less than another seed does."""
    if not multiplies_bfloat16():
        pytest.skip("no instructions for bfloat16 here")
    parameters = {"steps": 200, "seeds": 2, "images": 320, "windows": 10}
    program = module.RoundedLosses(parameters, tmp_path)
    program.repeat()
    exact = np.array(program.curves["float32"])
    assert (exact[:, -1] < 0.9 * exact[:, 0]).all()
    found = program.report()
    assert 0 < found["by rounding"] < found["by seed"]
