import pytest

from pipeline.report.comparison.part_digest import part_digest


def test_equal_test_images_have_equal_digests_wherever_they_lie(datasets):
    digests = {name: part_digest(dataset.directory, "test") for name, dataset in datasets.items()}
    assert digests["first"] == digests["moved"] != digests["other"]
    assert datasets["first"].content_digest != datasets["moved"].content_digest


def test_a_part_that_is_not_there_is_named(datasets):
    with pytest.raises(ValueError, match=r"no part 'val2017', only \['test', 'train'"):
        part_digest(datasets["first"].directory, "val2017")
