"""Sections of the dense tasks: what they refuse."""

import pytest
from pydantic import ValidationError

from pipeline.config.dense import DetectViewConfig, SegmentViewConfig


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
