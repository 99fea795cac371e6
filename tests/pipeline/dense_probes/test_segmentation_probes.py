import numpy as np
import pytest

from pipeline.config.dense import DenseProbeConfig
from pipeline.dense_probes.patch_features import PatchFeatures
from pipeline.dense_probes.patch_grid import patch_labels
from pipeline.dense_probes.segmentation_probes import segmentation_probes
from pipeline.ranks.exchange import SINGLE_PROCESS

GRID, PATCH, NUM_CLASSES = (4, 6), 5, 3
CONFIG = DenseProbeConfig(image_size=20, num_bootstrap=100, inverse_strengths=(0.1, 1.0), ks=(1, 5))


class Dataset:
    """Label maps of stripes, a patch wide; the first column of pixels is ignored."""

    name = "blocks"
    split_names = {"train": "train", "val": "val", "test": "unseen"}  # noqa: RUF012
    class_names = ("a", "b", "c")

    def __init__(self, rng, sizes=(30, 10, 20)):
        stripes = rng.integers(0, NUM_CLASSES, (sum(sizes), 1, GRID[1]))
        blocks = np.repeat(stripes, GRID[0], axis=1).astype(np.int16)
        self.maps = np.repeat(np.repeat(blocks, PATCH, axis=1), PATCH, axis=2)
        self.maps[:, :, 0] = -1
        self.rows = dict(
            zip(self.split_names, np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), strict=True)
        )

    def indices(self, split):
        return self.rows[split]

    def label_map(self, i):
        return self.maps[i]


class Reader:
    """Tokens that are the class of their patch, as a direction of any length, and noise; or noise alone."""

    num_threads, ranks = 2, SINGLE_PROCESS

    def __init__(self, *, informed=True):
        self.informed = informed

    def gathered(self, made, num_images):
        return made

    def read(self, dataset, rows, purpose):
        rng = np.random.default_rng(len(rows))
        for part in np.array_split(rows, -(-len(rows) // 8)):
            labels = np.stack([patch_labels(dataset.label_map(row), GRID, NUM_CLASSES) for row in part])
            tokens = np.eye(NUM_CLASSES, 8)[labels] * self.informed + 0.02 * rng.normal(
                size=(*labels.shape, 8)
            )
            yield part, PatchFeatures((9 * tokens).astype(np.float32), np.zeros(0), np.zeros(0))


def probe(dataset, *, informed=True, config=CONFIG):
    messages = []
    measures, classifiers = segmentation_probes(dataset, Reader(informed=informed), config, messages.append)
    return {measure.task: measure for measure in measures}, classifiers, messages


def test_tokens_that_are_the_class_give_every_pixel(rng):
    measures, classifiers, messages = probe(Dataset(rng))
    assert list(measures) == list(classifiers) == ["patch-linear", "patch-knn", "clusters"]
    assert not messages
    for measure in measures.values():
        assert measure.metric == "miou"
        assert measure.value == 1
        assert (measure.images.dataset, measure.images.split, measure.images.num_images) == (
            "blocks",
            "unseen",
            20,
        )
        assert measure.replicates.shape == (100,)
        assert (measure.replicates == 1).all()
        assert "learned from 720 patches of 30 training images, resized to 20 x 20 px" in measure.protocol
    assert "C=" in measures["patch-linear"].protocol
    assert "T=0.07, k=" in measures["patch-knn"].protocol
    assert "3 clusters, matched to classes by IoU on the test images" in measures["clusters"].protocol


def test_tokens_that_are_noise_give_chance(rng):
    measures, _, _ = probe(Dataset(rng), informed=False)
    # A guess is right for a third of a class's pixels, and wrong for as many as it has: IoU 1/5.
    for task in ("patch-linear", "patch-knn"):
        assert measures[task].value == pytest.approx(0.2, abs=0.06)
    assert measures["clusters"].value == pytest.approx(0.2, abs=0.06)


def test_twice_the_same(rng):
    dataset = Dataset(rng)
    first, second = (probe(dataset, informed=False)[0] for _ in range(2))
    for task, measure in first.items():
        assert measure.value == second[task].value
        np.testing.assert_array_equal(measure.replicates, second[task].replicates)


def test_replicates_are_the_scores_of_resampled_images(rng):
    from pipeline.dense_probes.patch_grid import pixel_classes
    from pipeline.evaluate.mean_iou import SegmentationCounts
    from pipeline.measures.intervals.resamples import resample_counts

    dataset = Dataset(rng)
    measures, classifiers, _ = probe(dataset, informed=False)
    for task, classifier in classifiers.items():
        counts = SegmentationCounts(NUM_CLASSES)
        for part, features in Reader(informed=False).read(dataset, dataset.indices("test"), ""):
            for row, tokens in zip(part, features.tokens, strict=True):
                scores = classifier.scores(tokens.reshape(-1, 8)).reshape(*GRID, -1)
                truth = dataset.label_map(row)
                counts.add(truth, classifier.classes[pixel_classes(scores, *truth.shape)])
        expected = counts.resampled(resample_counts(20, 100))[0]["miou"]
        np.testing.assert_allclose(measures[task].replicates, expected, rtol=1e-12)


def test_fewer_patches_and_images_if_asked(rng):
    config = CONFIG.model_copy(update={"max_train_images": 10, "max_train_patches": 50})
    measures, _, _ = probe(Dataset(rng), config=config)
    assert "learned from 50 patches of 10 training images" in measures["patch-knn"].protocol


def test_without_validation_images_nothing_is_chosen(rng):
    dataset = Dataset(rng)
    dataset.rows["val"] = dataset.rows["val"][:0]
    measures, _, _ = probe(dataset)
    assert "C=1 no validation to choose it on" in measures["patch-linear"].protocol
    assert "k=5" in measures["patch-knn"].protocol


def ignored(dataset):
    dataset.maps[:] = -1


def of_one_class(dataset):
    dataset.maps[:30] = 1


def without_tests(dataset):
    dataset.rows["test"] = dataset.rows["test"][:0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (ignored, "no labelled training patches"),
        (of_one_class, "its training patches are of one class"),
        (without_tests, "no test images"),
    ],
)
def test_data_that_allow_no_probe_say_why(rng, change, reason):
    dataset = Dataset(rng)
    change(dataset)
    assert probe(dataset) == ({}, {}, [f"no probe of the label maps of blocks: {reason}"])


def test_test_images_without_a_label_have_no_score(rng):
    dataset = Dataset(rng)
    dataset.maps[40:] = -1
    measures, _, _ = probe(dataset)
    assert all(np.isnan(measure.value) for measure in measures.values())
