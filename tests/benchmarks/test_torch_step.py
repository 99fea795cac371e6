"""The step that ours is timed against, as PyTorch counts it: the operations that both are rated by."""

import pytest

from benchmarks.step_inputs import WEIGHTS, step_batches
from benchmarks.step_sizes import step_config
from pipeline.costs.pretraining import step_operations
from tests.pipeline.costs.torch_counter import counted


def test_operations_are_those_that_pytorch_counts(jt, tmp_path):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from benchmarks.torch_step import TorchStep
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.step import initial_state
    from pipeline.weights.arrays import write_arrays

    config = step_config("toy")
    write_arrays(tmp_path / WEIGHTS, named_arrays(initial_state(config).student), {})
    step = TorchStep({"size": "toy", "checked": 0}, tmp_path)
    for batch in step_batches(config):
        with sdpa_kernel(SDPBackend.MATH):  # fused attention is one operator, which the counter does not know
            found = counted(step._step)
        assert step_operations(config, int(batch.masks.sum())) == found
