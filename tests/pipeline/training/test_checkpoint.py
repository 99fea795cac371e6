"""A checkpoint of any training: complete, strict, of one run. Their own tests resume real trainings."""

from dataclasses import dataclass

import numpy as np
import pytest


@pytest.fixture
def fresh(jt):
    """A state with one trained tensor, one running statistic and an optimiser, of the shape asked for."""
    from pipeline.kernels.adamw import AdamW

    @dataclass(frozen=True)
    class State:
        weight: jt.Var
        statistic: jt.Var
        optimizer: AdamW
        step: int

        @property
        def tensors(self):
            return {"network/weight": self.weight, "method/center": self.statistic}

    def make(size=3):
        weight = jt.array(np.arange(size, dtype=np.float32))
        optimizer = AdamW([weight], decayed=[True], max_gradient_norm=0.0)
        return State(weight, jt.zeros((2,)).stop_grad(), optimizer, step=0)

    return make


def test_a_state_comes_back_with_its_moments_and_flags(jt, fresh, tmp_path):
    from dataclasses import replace

    from pipeline.training.checkpoint import load_checkpoint, save_checkpoint

    state = fresh()
    state.optimizer.step([jt.ones((3,))], lr=0.1, weight_decay=0.0)
    state.statistic.assign(jt.array([5.0, 6.0]))
    save_checkpoint(tmp_path / "c.safetensors", replace(state, step=8), run="a")
    found = load_checkpoint(tmp_path / "c.safetensors", fresh(), run="a")
    assert found.step == 8
    assert found.weight.requires_grad
    assert not found.statistic.requires_grad
    for one, other in zip((found.weight, found.statistic), (state.weight, state.statistic), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    for name, value in state.optimizer.state().items():
        np.testing.assert_array_equal(found.optimizer.state()[name], value)


def test_what_is_not_this_run_s_checkpoint_is_refused(fresh, tmp_path):
    from pipeline.training.checkpoint import load_checkpoint, save_checkpoint
    from pipeline.weights.arrays import write_arrays
    from pipeline.weights.error import WeightsError

    path = tmp_path / "c.safetensors"
    save_checkpoint(path, fresh(), run="a")
    for state, run, message in (
        (fresh(), "b", "another configuration"),
        (fresh(size=4), "a", r"does not fit .*\(4,\).*\(3,\)"),
    ):
        with pytest.raises(WeightsError, match=message):
            load_checkpoint(path, state, run=run)
    assert load_checkpoint(path, fresh()).step == 0  # any run, where none is asked for
    write_arrays(path, {"network/weight": np.zeros(3, np.float32)}, {"kind": "vit"})
    with pytest.raises(WeightsError, match=r"no checkpoint of a training; its metadata are \['kind'\]"):
        load_checkpoint(path, fresh())
    write_arrays(path, {}, {"step": "8", "run": "a"})
    with pytest.raises(WeightsError, match="step is '8', expected a whole number"):
        load_checkpoint(path, fresh(), run="a")
