import numpy as np
import pytest

from pipeline.training.loss_curve import LossCurve


def warnings_at(losses, num_steps=1000, every=10):
    """What is said, by the line that it is said at."""
    curve = LossCurve(num_steps)
    texts = {i: curve.warning({"step": every * (i + 1), "loss": loss}) for i, loss in enumerate(losses)}
    return {i: text for i, text in texts.items() if text}


@pytest.fixture
def falling(rng):
    return 6 * np.exp(-np.arange(100) / 60) + 2 + 0.05 * rng.normal(size=100)


def test_a_falling_noisy_loss_is_worth_no_word(falling):
    assert warnings_at(falling) == {}


def test_a_spike_is_said_once_with_both_numbers(falling):
    falling[50:53] = 11.0, 9.0, 8.0
    usual = np.median(falling[30:50])
    assert warnings_at(falling) == {
        50: f"loss spike: 11 at step 510, after {usual:.4g} (median of the last 20 lines)"
    }


def test_a_second_spike_is_said_too(falling):
    falling[[50, 70]] = 12.0
    assert list(warnings_at(falling)) == [50, 70]


def test_a_jump_in_the_first_lines_is_none():
    """There is nothing yet to compare it with."""
    assert warnings_at([5.0] * 10 + [50.0]) == {}


def test_a_flat_loss_is_said_once_in_the_second_half(rng):
    flat = 5.55 + 0.003 * rng.normal(size=100)
    found = warnings_at(flat)
    assert list(found) == [60]
    assert found[60].startswith("flat loss: 5.5")
    assert list(warnings_at(flat, num_steps=4000)) == []


def test_a_training_that_goes_on_knows_what_was_before(falling):
    falling[50] = 11.0
    lines = [{"step": i + 1, "loss": loss} for i, loss in enumerate(falling[:50])]
    curve = LossCurve(100, [*lines, {"step": 50}])
    assert curve.warning({"step": 51, "loss": falling[50]}).startswith("loss spike: 11 at step 51")
