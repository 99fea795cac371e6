"""Patches: reproducible, balanced, evenly lit, and with room left above simple cues."""

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.photo_scenes import draw
from pipeline.datasets.photo_scenes.sources import PHOTOGRAPHS
from pipeline.datasets.photo_scenes.textures import Textures, cut, load_textures
from pipeline.datasets.photographs import Region

SMALL = {"num_train": 40, "num_val": 20, "num_test": 31}


def small_config(**changes) -> PhotoScenesConfig:
    return PhotoScenesConfig(**(SMALL | changes))


@pytest.fixture(scope="module")
def default_patches():
    return draw(PhotoScenesConfig(num_train=1500, num_val=1, num_test=600))


def test_shapes_and_types():
    drawn = draw(small_config())
    for split, count in (("train", 40), ("val", 20), ("test", 31)):
        assert drawn.images[split].shape == (count, 32, 32, 3)
        assert drawn.images[split].dtype == np.uint8
        assert drawn.labels[split].dtype == np.int64
    assert drawn.label_maps == {}
    assert drawn.annotations == {}


def test_same_seed_same_bytes_and_another_seed_other_images():
    first, again, other = draw(small_config()), draw(small_config()), draw(small_config(seed=1))
    for split in ("train", "val", "test"):
        np.testing.assert_array_equal(first.images[split], again.images[split])
        assert (first.images[split] != other.images[split]).any(axis=(1, 2, 3)).all()


def test_numpys_global_random_state_plays_no_part():
    first = draw(small_config())
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(first.images["train"], draw(small_config()).images["train"])


def test_an_image_does_not_depend_on_how_many_are_drawn():
    few, many = draw(small_config()), draw(small_config(num_train=55))
    np.testing.assert_array_equal(few.images["train"], many.images["train"][:40])


def test_class_counts_differ_by_one_at_most():
    drawn = draw(small_config(num_train=47))
    counts = np.bincount(drawn.labels["train"], minlength=len(drawn.class_names))
    assert counts.max() - counts.min() == 1
    assert drawn.class_names == tuple(photograph.name for photograph in PHOTOGRAPHS)


def test_grey_has_equal_channels_and_rgb_has_not():
    grey, rgb = draw(small_config()).images["train"], draw(small_config(colour="rgb")).images["train"]
    assert (grey == grey[..., :1]).all()
    assert (rgb != rgb[..., :1]).any()


def test_even_light_gives_all_images_nearly_one_mean_and_contrast():
    even = draw(small_config()).images["train"].astype(float)
    as_is = draw(small_config(even_light=False)).images["train"].astype(float)
    assert even.mean(axis=(1, 2, 3)).std() < 8 < as_is.mean(axis=(1, 2, 3)).std()
    assert even.std(axis=(1, 2, 3)).std() < 10 < as_is.std(axis=(1, 2, 3)).std()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_crops_hold_pixels_of_their_own_class_and_split_alone(rng, split):
    """Every pixel carries a code of its photograph and split: a crop that crosses a border shows others."""
    real = load_textures(small_config(even_light=False), PHOTOGRAPHS[:5])
    pixels = []
    for label in range(5):
        codes = np.zeros(real.pixels[label].shape, np.uint8)
        for number, name in enumerate(("train", "val", "test")):
            for region in real.regions[name][label]:
                region.of(codes)[...] = 40 * label + 10 * number + 5
        pixels.append(codes)
    coded = Textures(tuple(pixels), real.regions, min_crop=32, max_crop=96, even_light=False)
    expected = 10 * ["train", "val", "test"].index(split) + 5
    for label in range(5):
        for _ in range(20):
            assert (cut(rng, coded, label=label, split=split, size=24) == 40 * label + expected).all()


def test_featureless_places_are_avoided_where_others_exist(rng):
    pixels = np.full((100, 200), 90, np.uint8)
    pixels[:, 100:] = rng.integers(0, 256, (100, 100))
    regions = {"train": ((Region(0, 0, 100, 100), Region(0, 100, 100, 100)),)}
    textures = Textures((pixels,), regions, min_crop=32, max_crop=64, even_light=False)
    crops = [cut(rng, textures, label=0, split="train", size=32) for _ in range(30)]
    assert all(crop.std() > 4 for crop in crops)


def test_min_crop_larger_than_a_region_is_refused_by_name():
    with pytest.raises(ValueError, match=r"min_crop 96 does not fit .*'brick'.*choose min_crop <= "):
        draw(small_config(min_crop=96, max_crop=96))


def test_simple_cues_are_weak_and_the_texture_tells_the_class(default_patches):
    """Measured: raw pixels 22-30 %, mean and contrast 25-33 %, strong filter statistics 88 %."""
    train, test = default_patches.images["train"], default_patches.images["test"]
    labels, expected = default_patches.labels["train"], default_patches.labels["test"]
    flat = [images[..., 0].reshape(len(images), -1).astype(float) for images in (train, test)]
    centred = [pixels - flat[0].mean(axis=0) for pixels in flat]
    nearest = KNeighborsClassifier(5, metric="cosine").fit(centred[0], labels)
    assert nearest.score(centred[1], expected) < 0.4
    light = [np.stack([pixels.mean(axis=1), pixels.std(axis=1)], axis=1) for pixels in flat]
    assert (
        make_pipeline(StandardScaler(), KNeighborsClassifier(5))
        .fit(light[0], labels)
        .score(light[1], expected)
        < 0.45
    )
    statistics = [filter_statistics(images[..., 0]) for images in (train, test)]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=500)).fit(statistics[0], labels)
    assert model.score(statistics[1], expected) > 0.6


def filter_statistics(images: np.ndarray) -> np.ndarray:
    """Quantiles of the response to differences of four scales: (n, S, S) -> (n, 44)."""
    features = []
    for size in (32, 16, 8, 4):
        small = np.stack(
            [
                np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX))
                for image in images
            ]
        ).astype(float)
        rows, columns = np.abs(np.diff(small, axis=1)), np.abs(np.diff(small, axis=2))
        slopes = np.concatenate([rows.reshape(len(images), -1), columns.reshape(len(images), -1)], axis=1)
        features.append(np.quantile(slopes, [0.1, 0.25, 0.5, 0.75, 0.9, 0.97], axis=1).T)
        features.append(np.quantile(small.reshape(len(images), -1), [0.02, 0.25, 0.5, 0.75, 0.98], axis=1).T)
    return np.concatenate(features, axis=1)
