from dataclasses import fields, replace

import numpy as np
import pytest

from pipeline.config.dense import DetectViewConfig, SegmentViewConfig
from pipeline.transforms import dense
from pipeline.transforms.dense import detection_view, fitted, segmentation_view
from pipeline.transforms.scene import Scene
from tests.pipeline.transforms.painted import check, origins, painted_scene

SEGMENT = SegmentViewConfig(
    inference="whole", crop_size=60, resize=(100, 400), photometric=False, max_class_share=1.0
)
DETECT = DetectViewConfig(
    short_sides=(64, 80, 96),
    max_long_side=110,
    crop_short_sides=(70, 90),
    crop_sizes=(40, 70),
    crop_probability=0.5,
)


def same(first: Scene, second: Scene) -> bool:
    return all(
        np.array_equal(getattr(first, field.name), getattr(second, field.name)) for field in fields(Scene)
    )


def labelled(labels) -> Scene:
    labels = np.asarray(labels, np.int16)
    return Scene(np.zeros((*labels.shape, 3), np.uint8), label_map=labels)


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((480, 640), (800, 1333), (800, 1067)),
        ((640, 480), (800, 1333), (1067, 800)),
        ((427, 1000), (800, 1333), (569, 1333)),  # the long side decides
        ((100, 100), (50, 50), (50, 50)),
        ((1, 400), (32, 100), (1, 100)),  # never less than a pixel
    ],
)
def test_fitted_sizes(size, limits, expected):
    assert fitted(Scene(np.zeros((*size, 3), np.uint8)), *limits).size == expected


@pytest.mark.parametrize("seed", range(25))
def test_segmentation_views_keep_everything_in_place(seed):
    """T9: image and labels painted with coordinates agree after the whole random view."""
    view = segmentation_view(np.random.default_rng(seed), painted_scene(100, 120), SEGMENT)
    assert view.size == (60, 60) or min(view.size) < 60
    check(view, tolerance=2)


@pytest.mark.parametrize("seed", range(25))
def test_detection_views_keep_everything_in_place(seed):
    """T9: image, boxes and masks painted with coordinates agree after the whole random view."""
    view = detection_view(np.random.default_rng(seed), painted_scene(100, 120), DETECT)
    assert max(view.size) <= 110
    assert min(view.size) in DETECT.short_sides or max(view.size) == 110
    check(view, tolerance=3)


def test_views_repeat():
    """T26: the same generator, the same view; another one, another view."""
    config = SEGMENT.model_copy(update={"photometric": True})
    scene = painted_scene(100, 120)
    for view in (
        lambda seed: segmentation_view(np.random.default_rng(seed), scene, config),
        lambda seed: detection_view(np.random.default_rng(seed), scene, DETECT),
    ):
        assert same(view(7), view(7))
        assert not same(view(7), view(8))


def test_segmentation_scales_from_half_to_double():
    rng = np.random.default_rng(0)
    scene = labelled(np.zeros((100, 120)))
    config = SEGMENT.model_copy(update={"crop_size": 1000})
    sides = np.array([min(segmentation_view(rng, scene, config).size) for _ in range(300)])
    assert 50 <= sides.min() < 53
    assert 197 < sides.max() <= 200
    assert sides.mean() == pytest.approx(125, abs=6)
    # The longest that the long side gets moves along: 2 x (100, 110).
    config = config.model_copy(update={"resize": (100, 110), "scale": (2.0, 2.0)})
    assert segmentation_view(rng, scene, config).size == (183, 220)


def test_a_small_image_comes_whole_without_padding():
    """T4: no padding before normalising."""
    config = SEGMENT.model_copy(update={"scale": (0.5, 0.5)})
    assert segmentation_view(np.random.default_rng(0), painted_scene(100, 120), config).size == (50, 60)


def crop_shares(labels, share, count=200):
    """Largest share of a class in each of `count` crops of half the side, without resize."""
    config = SEGMENT.model_copy(
        update={
            "resize": (100, 100),
            "scale": (1.0, 1.0),
            "crop_size": 50,
            "max_class_share": share,
        }
    )
    rng = np.random.default_rng(1)
    views = [segmentation_view(rng, labelled(labels), config).label_map for _ in range(count)]
    return np.array([dense._largest_share(view) for view in views])


def test_crops_full_of_one_class_are_drawn_again():
    labels = np.zeros((100, 100))
    labels[:, 50:] = 1
    plain, balanced = crop_shares(labels, 1.0), crop_shares(labels, 0.75)
    # The left edge is uniform on 0 ... 50, and 25 of these 51 give one class more than 3/4.
    assert (plain > 0.75).mean() == pytest.approx(26 / 51, abs=0.1)
    assert (balanced <= 0.75).all()


def test_ignored_pixels_do_not_count_towards_the_share():
    """T8: a crop of one class and ignored pixels is full of one class; one without labels is the worst."""
    labels = np.full((100, 100), -1)
    labels[:, 40:60] = 0
    labels[:, 60:] = 1
    balanced = crop_shares(labels, 0.75)
    assert (balanced <= 0.75).all()


def test_rejection_gives_up():
    """T8: an image of one class, and one without any label, still give crops."""
    assert (crop_shares(np.zeros((100, 100)), 0.75, count=3) == 1).all()
    assert np.isinf(crop_shares(np.full((100, 100), -1), 0.75, count=3)).all()


def test_flips_have_their_probability():
    scene = painted_scene(100, 120)
    for probability in (0.0, 0.3, 1.0):
        for view, config in ((segmentation_view, SEGMENT), (detection_view, DETECT)):
            config = config.model_copy(update={"flip_probability": probability})
            rng = np.random.default_rng(2)
            xs = [origins(view(rng, scene, config))[0] for _ in range(100)]
            flipped = np.mean([x[0, 0] > x[0, -1] for x in xs])
            assert flipped == pytest.approx(probability, abs=0.15 if probability == 0.3 else 0)


def test_distortion_changes_colours_only():
    scene = painted_scene(100, 120)
    plain = segmentation_view(np.random.default_rng(4), scene, SEGMENT)
    config = SEGMENT.model_copy(update={"photometric": True})
    changed = segmentation_view(np.random.default_rng(4), scene, config)
    assert not np.array_equal(plain.image, changed.image)
    assert same(plain, replace(changed, image=plain.image))


def test_detection_draws_sizes_and_crops():
    rng = np.random.default_rng(0)
    scene = painted_scene(100, 120)
    whole = DETECT.model_copy(update={"crop_probability": 0.0, "max_long_side": 1000})
    sizes = {detection_view(rng, scene, whole).size for _ in range(60)}
    assert sizes == {(64, 77), (80, 96), (96, 115)}
    crops = whole.model_copy(update={"crop_probability": 1.0, "flip_probability": 0.0})
    spans = []
    for _ in range(200):
        x, y = origins(detection_view(rng, scene, crops))
        spans.append((x.max() - x.min(), y.max() - y.min()))
    spans = np.array(spans)
    # 40 ... 70 pixels of an image reduced to a short side of 70 or 90.
    assert spans.min() == pytest.approx(40 * 100 / 90, abs=3)
    assert spans.max() == pytest.approx(100, abs=3)
    assert spans.std() > 10


def test_a_crop_larger_than_the_image_takes_the_image():
    config = DETECT.model_copy(update={"crop_probability": 1.0, "crop_sizes": (200, 300)})
    x, _ = origins(detection_view(np.random.default_rng(0), painted_scene(100, 120), config))
    assert x.max() - x.min() > 115


def test_detection_without_objects():
    """T13: crops without objects, and images without, give views without objects."""
    empty = Scene(
        np.zeros((100, 120, 3), np.uint8),
        boxes=np.zeros((0, 4), np.float32),
        classes=np.zeros(0, np.int64),
        crowd=np.zeros(0, bool),
        masks=np.zeros((0, 100, 120), bool),
    )
    corner = np.zeros((1, 100, 120), bool)
    corner[0, :4, :4] = True
    one = replace(
        empty, boxes=np.float32([[0, 0, 4, 4]]), classes=np.array([3]), crowd=np.array([True]), masks=corner
    )
    rng = np.random.default_rng(0)
    assert detection_view(rng, empty, DETECT).boxes.shape == (0, 4)
    found = [detection_view(rng, one, DETECT) for _ in range(40)]
    assert {len(view.boxes) for view in found} == {0, 1}
    for view in found:
        assert len(view.classes) == len(view.crowd) == len(view.masks) == len(view.boxes)
        assert view.crowd.all()


def test_objects_that_are_degenerate_in_the_view_are_dropped():
    """T18: 1.5 pixels wide in an image that is reduced to less than half."""
    thin = Scene(
        np.zeros((250, 250, 3), np.uint8),
        boxes=np.float32([[10, 10, 11.5, 200], [10, 10, 100, 200]]),
        classes=np.array([0, 1]),
        crowd=np.zeros(2, bool),
    )
    config = DETECT.model_copy(update={"crop_probability": 0.0})
    np.testing.assert_array_equal(detection_view(np.random.default_rng(0), thin, config).classes, [1])


def test_boxes_without_masks_go_through_detection_views():
    scene = painted_scene(100, 120, masks=False)
    view = detection_view(np.random.default_rng(3), scene, DETECT)
    assert view.masks is None
    assert (view.boxes[:, 2:] - view.boxes[:, :2] > 1).all()
    assert (view.boxes >= 0).all()
    assert (view.boxes <= [*view.size[::-1]] * 2).all()
