"""The photographs are the files expected, and no pixel of one is in two splits."""

import dataclasses

import numpy as np
import pytest

from pipeline.datasets import photographs
from pipeline.datasets.photo_scenes.sources import PHOTOGRAPHS
from pipeline.datasets.photographs import SPLITS, PhotographError, read_photograph, regions_of_splits


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda photograph: photograph.name)
def test_every_photograph_is_there_and_large_enough(photograph):
    pixels = read_photograph(photograph)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert min(pixels.shape[:2]) >= 160
    assert pixels.std() > 4


def test_each_class_has_a_file_of_its_own_and_states_author_and_licence():
    assert len({photograph.name for photograph in PHOTOGRAPHS}) == len(PHOTOGRAPHS)
    assert len({photograph.file for photograph in PHOTOGRAPHS}) == len(PHOTOGRAPHS)
    assert 12 <= len(PHOTOGRAPHS) <= 20
    assert all(photograph.author and photograph.licence for photograph in PHOTOGRAPHS)


def test_reduced_photograph_averages_squares_inside_the_box():
    retina = next(photograph for photograph in PHOTOGRAPHS if photograph.name == "retina")
    whole = read_photograph(dataclasses.replace(retina, box=None, reduce=1)).astype(np.float64)
    top, left = 2 * retina.box.top, 2 * retina.box.left
    expected = whole[top : top + 10, left : left + 6].reshape(5, 2, 3, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(read_photograph(retina)[:5, :3], expected, atol=0.51)


def test_changed_file_is_named_with_the_package_version():
    changed = dataclasses.replace(PHOTOGRAPHS[0], sha256="0" * 64)
    with pytest.raises(
        PhotographError, match=r"brick\.png.*scikit-image \d.*expected SHA-256 0{64}, found 7966"
    ):
        read_photograph(changed)


def test_missing_file_is_named_with_the_package_version():
    missing = dataclasses.replace(PHOTOGRAPHS[0], file="data/no_such.png")
    with pytest.raises(PhotographError, match=r"no_such\.png.*scikit-image \d.*does not ship it"):
        read_photograph(missing)


def test_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(photographs.IMPORT_NAMES, "no-such-package", "no_such_package")
    elsewhere = dataclasses.replace(PHOTOGRAPHS[0], package="no-such-package")
    with pytest.raises(PhotographError, match=r"no-such-package.*not installed"):
        read_photograph(elsewhere)


@pytest.mark.parametrize(("height", "width"), [(172, 448), (512, 512), (285, 285), (427, 100), (97, 101)])
def test_regions_cover_every_pixel_exactly_once_and_every_split_sees_several_places(rng, height, width):
    regions = regions_of_splits(height, width, rng)
    seen = np.zeros((height, width), int)
    for split in SPLITS:
        assert len(regions[split]) >= 2
        for region in regions[split]:
            region.of(seen)[...] += 1
    assert (seen == 1).all()
    assert len(regions["train"]) >= len(regions["test"]) >= len(regions["val"])


def test_regions_depend_on_the_seed():
    first, again, other = (regions_of_splits(512, 512, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
