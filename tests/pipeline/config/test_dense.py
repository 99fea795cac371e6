"""Sections of the dense tasks: what they refuse."""

import pytest
from pydantic import ValidationError

from pipeline.config.data import DataConfig
from pipeline.config.dense import DetectionSection, DetectViewConfig, SegmentationSection, SegmentViewConfig


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        (DetectViewConfig, {"crop_sizes": (600, 384)}, "crop_sizes must be (low, high), got (600, 384)"),
        (DetectViewConfig, {"short_sides": ()}, "short_sides must not be empty"),
        (DetectViewConfig, {"crop_short_sides": ()}, "crop_short_sides must not be empty"),
        (SegmentViewConfig, {"scale": (2.0, 0.5)}, "scale must be (low, high), got (2.0, 0.5)"),
        (SegmentViewConfig, {"resize": (64, 32)}, "resize must be (low, high), got (64, 32)"),
        (SegmentViewConfig, {"crop_size": 32, "stride": 33}, "stride 33 leaves gaps"),
    ],
)
def test_impossible_views_are_refused(section, values, words):
    with pytest.raises(ValidationError) as error:
        section(**values)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("section", "annotation", "other"),
    [(DetectionSection, "objects", "label-map"), (SegmentationSection, "label-map", "objects")],
)
def test_the_data_of_a_dense_task_must_be_annotated_for_it(section, annotation, other):
    for values in (
        {},
        {"data": {"source": "x"}},
        {"data": DataConfig()},
        {"data": {"annotation": annotation}},
    ):
        assert section.model_validate(values).data.annotation == annotation
    with pytest.raises(ValidationError, match=f'annotation must be "{annotation}" here, got "{other}"'):
        section.model_validate({"data": {"annotation": other}})
