import numpy as np
import pytest


@pytest.fixture
def network(small_detector):
    def build(**heads):
        made = small_detector(**{"score_threshold": 0.0, **heads})
        made.eval()
        return made

    return build


def images_of(rng, num, height=64, width=96):
    return rng.normal(size=(num, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize("heads", [{}, {"stages": 1, "class_agnostic": True}, {"mask_heads": "last"}])
def test_t25_scores_counts_and_places(network, rng, heads):
    """T25: scores in [0, 1], at most max_detections, sorted, inside the image."""
    from pipeline.detection.inference import detect

    sizes = np.array([[64, 96], [50, 70]])
    found = detect(network(**heads), images_of(rng, 2), sizes)
    for of_image, (height, width) in zip(found, sizes.tolist(), strict=True):
        count = len(of_image.boxes)
        assert 0 < count <= 12
        assert (of_image.scores.shape, of_image.classes.shape) == ((count,), (count,))
        assert of_image.masks.shape == (count, 28, 28)
        assert of_image.scores.min() >= 0
        assert of_image.scores.max() <= 1
        assert (np.diff(of_image.scores) <= 0).all()
        assert of_image.boxes.min() >= 0
        assert (of_image.boxes <= [width, height, width, height]).all(), "T4: never in the padding"
        assert (of_image.boxes[:, 2:] > of_image.boxes[:, :2]).all()
        assert set(of_image.classes.tolist()) <= {0, 1, 2}


def test_scores_are_averaged_over_the_stages(network, jt, rng):
    """T25: probabilities, and masks, are means over the heads."""
    from pipeline.detection.inference import detect

    made = network()
    images, sizes = images_of(rng, 1), np.array([[64, 96]])
    # Every box is surely of class 0, 1, 2 in turn: each gets a third.
    for index, head in enumerate(made.heads.boxes):
        bias = np.zeros(4, np.float32)
        bias[index] = 50.0
        head.predict_classes.weight.assign(jt.zeros_like(head.predict_classes.weight))
        head.predict_classes.bias.assign(jt.array(bias))
    for index, head in enumerate(made.heads.masks):
        head.predict.weight.assign(jt.zeros_like(head.predict.weight))
        head.predict.bias.assign(jt.array(np.full(3, -50.0 if index else 50.0, np.float32)))
    found = detect(made, images, sizes)[0]
    assert np.allclose(found.scores, 1 / 3, atol=1e-5)
    assert np.allclose(found.masks, 1 / 3, atol=1e-5)


def test_t4_images_do_not_influence_one_another(network, rng):
    """T4: an image alone and beside another of its size: the same detections."""
    from pipeline.detection.inference import detect

    made, images, sizes = network(), images_of(rng, 2), np.array([[64, 96]] * 2)
    together = detect(made, images, sizes)
    for index in range(2):
        alone = detect(made, images[index : index + 1], sizes[:1])[0]
        assert np.array_equal(alone.classes, together[index].classes)
        assert np.allclose(alone.boxes, together[index].boxes, atol=1e-3)
        assert np.allclose(alone.masks, together[index].masks, atol=1e-4)


def test_nothing_found(network, rng, monkeypatch):
    from pipeline.detection.inference import detect

    made, sizes = network(score_threshold=1.0), np.array([[64, 96]] * 2)
    for _ in range(2):
        found = detect(made, images_of(rng, 2), sizes)
        assert [(f.boxes.shape, f.masks.shape) for f in found] == [((0, 4), (0, 28, 28))] * 2
        none = [np.zeros((0, 4), np.float32)] * 2
        monkeypatch.setattr(made, "proposals", lambda *_, none=none, **__: none)  # and without proposals


def test_without_mask_heads(small_detector, rng):
    from pipeline.detection.inference import detect

    made = small_detector(masks=False, score_threshold=0.0)
    made.eval()
    assert detect(made, images_of(rng, 1), np.array([[64, 96]]))[0].masks is None
