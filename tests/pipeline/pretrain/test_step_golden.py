"""Three whole optimiser steps of every method against numbers that PyTorch gave in float64.

The numbers are in tests/golden/. Only the last test needs PyTorch: it says that the files are not stale.
"""

from dataclasses import replace

import pytest

from tests.golden import recipe
from tests.golden.numbers import assert_equal, golden_numbers, numbers_of_groups

# Adam's first steps have the same size whatever the gradient's is, so they enlarge rounding.
TOLERANCES = {"inputs": 1e-6, "losses": 1e-4, "centres": 1e-4, "weights,": 1e-3, "teacher,": 1e-3}
# So does a batch norm over few images, in the gradients of the other methods.
GRADIENTS = {"ibot": 1e-4, "methods": 1e-3}
CASES = dict.fromkeys(recipe.IBOT_CASES, "ibot") | dict.fromkeys(recipe.METHOD_CASES, "methods")


class Recorder:
    """An optimiser that keeps a copy of the gradients it was given."""

    def __init__(self, optimizer):
        self.optimizer, self.gradients = optimizer, []

    def step(self, gradients, **rates):
        self.gradients.append([gradient.numpy().copy() for gradient in gradients])
        self.optimizer.step(gradients, **rates)


def three_steps(config):
    from pipeline.models.weights import assign_arrays, named_arrays
    from pipeline.pretrain.step import initial_state, train_step

    state = initial_state(config)
    inputs = recipe.inputs_of(config, state)
    assign_arrays(state.student, inputs.student, "test")
    if state.teacher is not None:
        assign_arrays(state.teacher, inputs.teacher, "test")
    recorder = Recorder(state.optimizer)
    state, outcomes = replace(state, optimizer=recorder), []
    for batch, rates in zip(inputs.batches, inputs.rates, strict=True):
        state, outcome = train_step(state, batch, rates, config)
        terms = {"total": outcome.losses.total.item()}
        terms |= {name: term.item() for name, term in outcome.losses.terms.items()}
        gradients = dict(zip(inputs.student, recorder.gradients[-1], strict=True))
        outcomes.append((terms, gradients, {name: v.numpy() for name, v in state.method_state.items()}))
    teacher = named_arrays(state.teacher) if state.teacher is not None else None
    return recipe.groups_of_steps(inputs, outcomes, named_arrays(state.student), teacher)


@pytest.mark.parametrize("kernels", ["plain", "fused"])
@pytest.mark.parametrize("case", CASES)
def test_three_steps(jt, case, kernels):
    from pipeline import kernels as choice

    file = CASES[case]
    choice.use(kernels)
    try:
        found = numbers_of_groups(three_steps(recipe.config_of(case)))
    finally:
        choice.use("fused")
    assert_equal(found, golden_numbers(file)[case], TOLERANCES | {"gradients": GRADIENTS[file]})


@pytest.mark.parametrize("case", CASES)
def test_pytorch_gives_the_numbers_of_the_file(jt, case):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from tests.golden.with_torch import three_steps as with_torch

    allowed = dict.fromkeys([*TOLERANCES, "gradients"], 1e-9)
    assert_equal(with_torch(case), golden_numbers(CASES[case])[case], allowed)
