import numpy as np
import pytest
from scipy.stats import binomtest, norm

from pipeline.config.tables import TablesSection
from pipeline.measures.class_replicates import write_class_replicates
from pipeline.report.page.class_scores import class_scores

SETTINGS = TablesSection(confidence=0.9, num_bootstrap=50_000)


def written(folder, lines):
    (folder / "per_class.csv").write_text("\n".join([*lines, ""]))
    return folder


def test_the_interval_of_an_iou_is_that_of_its_replicates_moved_onto_it(tmp_path):
    written(tmp_path, ["class,iou", "sky,0.5", "road,", "tree,0.99"])
    spread = np.linspace(-0.1, 0.1, 201)
    replicates = np.stack([0.53 + spread, np.full(201, np.nan), 0.97 + spread / 2], axis=1)
    write_class_replicates(tmp_path, {"iou": replicates})
    sky, tree = class_scores(tmp_path, "iou", SETTINGS)
    assert (sky["class"], sky["iou"]) == ("sky", 50.0)
    assert (sky["low"], sky["high"]) == pytest.approx((41, 59), abs=1e-3)
    assert (tree["low"], tree["high"]) == pytest.approx((94.5, 100), abs=1e-3), "no IoU is above 1"


def test_the_interval_of_an_accuracy_is_over_the_images_of_its_class(tmp_path):
    written(tmp_path, ["class,num_images,accuracy", "cat,40,0.75", "dog,0,"])
    (cat,) = class_scores(tmp_path, "accuracy", SETTINGS)
    # Wilson's bounds are where the score test of 30 of 40 just gives a tail of 5 %.
    for bound, sign in ((cat["low"] / 100, 1), (cat["high"] / 100, -1)):
        z = (0.75 - bound) / (bound * (1 - bound) / 40) ** 0.5
        assert sign * z == pytest.approx(norm.ppf(0.95))


@pytest.mark.parametrize(("num_right", "num_images"), [(0, 1), (1, 1), (0, 9), (9, 9), (1, 7), (333, 1000)])
def test_the_interval_of_an_accuracy_is_scipys(tmp_path, num_right, num_images):
    written(tmp_path, ["class,num_images,accuracy", f"cat,{num_images},{num_right / num_images}"])
    (cat,) = class_scores(tmp_path, "accuracy", SETTINGS)
    expected = binomtest(num_right, num_images).proportion_ci(0.9, method="wilson")
    assert (cat["low"] / 100, cat["high"] / 100) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert (cat["low"] == 0, cat["high"] == 100) == (num_right == 0, num_right == num_images)


def test_a_class_that_is_all_right_is_not_thought_to_be_certainly_so(tmp_path):
    written(tmp_path, ["class,num_images,accuracy", "cat,17,1.0"])
    (cat,) = class_scores(tmp_path, "accuracy", SETTINGS)
    assert cat["high"] == 100
    assert cat["low"] == pytest.approx(100 * 17 / (17 + norm.ppf(0.95) ** 2))


def test_a_score_of_which_no_images_are_known_has_no_interval(tmp_path):
    written(tmp_path, ["class,num_objects,box_ap", "cat,4,0.25", "dog,4,0.5"])
    assert class_scores(tmp_path, "box_ap", SETTINGS) == [
        {"class": "cat", "box_ap": 25.0, "low": None, "high": None},
        {"class": "dog", "box_ap": 50.0, "low": None, "high": None},
    ]
    assert class_scores(tmp_path / "nowhere", "box_ap", SETTINGS) == []
