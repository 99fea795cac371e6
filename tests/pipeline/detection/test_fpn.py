import pytest


def test_levels_that_do_not_fit(jt):
    from pipeline.detection.fpn import doubled

    assert doubled(jt.ones((1, 1, 2, 2)), (3, 4)).shape == [1, 1, 3, 4]
    with pytest.raises(ValueError, match="expected a map of half of 7 x 4, found 2 x 2"):
        doubled(jt.ones((1, 1, 2, 2)), (7, 4))
