"""Rows that only a card can measure: their settings are read, and are what their titles say."""

import pytest

from benchmarks.dense_sizes import dense_experiment
from benchmarks.device_rows import DEVICE_ROWS

DENSE = [row for row in DEVICE_ROWS if row.ours == "dense-step"]


@pytest.mark.parametrize("row", DENSE, ids=lambda row: row.name)
def test_a_dense_step_is_that_of_a_paper(row):
    experiment = dense_experiment(row.parameters)
    assert experiment.backbone.patch_size == 16
    assert row.items(row.parameters) == 16
    if row.parameters["task"] == "segmentation":
        assert experiment.segmentation.view.crop_size == 512
        # UPerNet on ViT-S/16 at 512 px: some hundred GFLOP forward, three times that with both gradients.
        assert 16 * 3e11 < row.flops(row.parameters) < 16 * 3e12
    else:
        assert experiment.detection.view.short_sides == (768,)


def test_both_dense_tasks_have_a_row():
    assert {row.name: row.other for row in DENSE} == {
        "segmentation-card": "torch-segmentation-step",
        "detection-card": "torch-detection-step",
    }
