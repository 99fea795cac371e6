"""Fine-tuning steps in PyTorch are those that ours are timed against: the same losses, and the same way."""

import pytest

from benchmarks.counting import segmentation_flops
from tests.pipeline.costs.torch_counter import counted

TOLERANCE = 1e-4  # relative: float32 sums in other orders, over two steps


@pytest.mark.slow
def test_segmentation_in_pytorch_is_the_same_step(jt, tmp_path):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from benchmarks.dense_step import DenseStep
    from benchmarks.torch_segmentation_step import TorchSegmentationStep

    ours = DenseStep({"task": "segmentation"}, tmp_path)
    step = TorchSegmentationStep({}, tmp_path)
    assert step.check == pytest.approx(ours.check, rel=TOLERANCE)
    with sdpa_kernel(SDPBackend.MATH):  # fused attention is one operator, which the counter does not know
        assert segmentation_flops({}) == counted(step._step)


@pytest.mark.slow
def test_detection_in_pytorch_is_the_same_step(jt, tmp_path):
    pytest.importorskip("torchvision", reason="the optional `benchmark` extra (torchvision) is not installed")
    from benchmarks.dense_step import DenseStep
    from benchmarks.torch_detection_step import TorchDetectionStep

    ours = DenseStep({"task": "detection"}, tmp_path)
    assert TorchDetectionStep({}, tmp_path).check == pytest.approx(ours.check, rel=TOLERANCE)
