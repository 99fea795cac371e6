"""Fine-tuning steps in PyTorch are those that ours are timed against: the same losses, and the same way."""

import pytest

from benchmarks.counting import segmentation_flops
from tests.pipeline.costs.torch_counter import counted

TOLERANCE = 1e-4  # relative: float32 sums in other orders, over two steps


# Patches of 16 pixels, as in the rows on a card, at a size for a processor.
PATCHES_OF_16 = {
    "backbone.patch_size": 16,
    "segmentation.view.crop_size": 64,
    "segmentation.schedule.batch_size": 4,
    "detection.view.short_sides": [128],
    "detection.schedule.batch_size": 2,
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, PATCHES_OF_16], ids=["quickstart", "patches of 16"])
def test_segmentation_in_pytorch_is_the_same_step(jt, tmp_path, changes):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from benchmarks.dense_step import DenseStep
    from benchmarks.torch_segmentation_step import TorchSegmentationStep

    parameters = {"task": "segmentation", "changes": changes}
    ours = DenseStep(parameters, tmp_path)
    step = TorchSegmentationStep(parameters, tmp_path)
    assert step.check == pytest.approx(ours.check, rel=TOLERANCE)
    with sdpa_kernel(SDPBackend.MATH):  # fused attention is one operator, which the counter does not know
        assert segmentation_flops(parameters) == counted(step._step)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, PATCHES_OF_16], ids=["quickstart", "patches of 16"])
def test_detection_in_pytorch_is_the_same_step(jt, tmp_path, changes):
    pytest.importorskip("torchvision", reason="the optional `benchmark` extra (torchvision) is not installed")
    from benchmarks.dense_step import DenseStep
    from benchmarks.torch_detection_step import TorchDetectionStep

    parameters = {"task": "detection", "changes": changes}
    ours = DenseStep(parameters, tmp_path)
    assert TorchDetectionStep(parameters, tmp_path).check == pytest.approx(ours.check, rel=TOLERANCE)
