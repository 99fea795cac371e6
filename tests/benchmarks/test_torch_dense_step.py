"""Fine-tuning steps in PyTorch are those that ours are timed against: the same losses, and the same way."""

import pytest

TOLERANCE = 1e-4  # relative: float32 sums in other orders, over two steps


@pytest.mark.slow
def test_segmentation_in_pytorch_is_the_same_step(jt, tmp_path):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from benchmarks.dense_step import DenseStep
    from benchmarks.torch_segmentation_step import TorchSegmentationStep

    ours = DenseStep({"task": "segmentation"}, tmp_path)
    assert TorchSegmentationStep({}, tmp_path).check == pytest.approx(ours.check, rel=TOLERANCE)


@pytest.mark.slow
def test_detection_in_pytorch_is_the_same_step(jt, tmp_path):
    pytest.importorskip("torchvision", reason="the optional `benchmark` extra (torchvision) is not installed")
    from benchmarks.dense_step import DenseStep
    from benchmarks.torch_detection_step import TorchDetectionStep

    ours = DenseStep({"task": "detection"}, tmp_path)
    assert TorchDetectionStep({}, tmp_path).check == pytest.approx(ours.check, rel=TOLERANCE)
