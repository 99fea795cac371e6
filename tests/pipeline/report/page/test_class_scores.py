import numpy as np
import pytest
from scipy.stats import binom

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
    sky, tree = class_scores(tmp_path, "iou", 60, SETTINGS)
    assert (sky["class"], sky["iou"]) == ("sky", 50.0)
    assert (sky["low"], sky["high"]) == pytest.approx((41, 59), abs=1e-3)
    assert (tree["low"], tree["high"]) == pytest.approx((94.5, 100), abs=1e-3), "no IoU is above 1"


def test_the_interval_of_an_accuracy_is_over_the_images_of_its_class(tmp_path):
    written(tmp_path, ["class,num_images,accuracy", "cat,40,0.75", "dog,0,"])
    (cat,) = class_scores(tmp_path, "accuracy", 60, SETTINGS)
    assert (cat["low"], cat["high"]) == tuple(100 * binom.ppf([0.05, 0.95], 40, 0.75) / 40)


def test_a_score_of_which_no_images_are_known_has_no_interval(tmp_path):
    written(tmp_path, ["class,num_objects,box_ap", "cat,4,0.25", "dog,4,0.5"])
    assert class_scores(tmp_path, "box_ap", 1, SETTINGS) == [
        {"class": "cat", "box_ap": 25.0, "low": None, "high": None}
    ]
    assert class_scores(tmp_path / "nowhere", "box_ap", 1, SETTINGS) == []
