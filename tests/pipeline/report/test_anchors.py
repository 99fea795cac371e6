"""Measured results of published weights beside the published numbers."""

import json

import pytest

from pipeline.config.anchors import ANCHORS
from pipeline.config.backbone import BackboneConfig
from pipeline.config.experiment import Experiment
from pipeline.report.anchors import NOT_REPRODUCED, anchor_lines, anchor_table, compare_anchors, write_anchors

VIT_SMALL = BackboneConfig(size="small", image_size=224)


def experiment_of(**changes):
    given = {
        "name": "e",
        "arms": ["theirs"],
        "baseline": "theirs",
        "weights": {"theirs": {"source": "dino.pth"}},
        "anchors": {"theirs": "dino-vit-small-16"},
        "linear_augmented": {},
    }
    return Experiment.model_validate(given | changes)


def line(task, metric, value, **changes):
    given = {"arm": "theirs", "task": task, "metric": metric, "value": value, "num_images": 50_000}
    return given | {"dataset": "imagenet"} | changes


def results(lines, network=VIT_SMALL, **changes):
    found = anchor_lines(experiment_of(**changes), lines, {"theirs": network})
    return {each.number.task: each.result for each in found}


def test_a_result_within_its_tolerance_and_one_outside():
    # DINO's page: 74.5 and 77.0; half a point and one point are allowed.
    lines = [line("knn", "top1", 0.7405), line("linear-augmented", "top1_best_on_test", 0.759)]
    assert results(lines) == {"knn": "within", "linear-augmented": "OUTSIDE"}
    found = anchor_lines(experiment_of(), lines, {"theirs": VIT_SMALL})
    assert [round(each.difference, 6) for each in found] == [-0.45, -1.1]
    text = anchor_table(found)
    assert "facebookresearch/dino, commit 00e1bcc" in text
    assert NOT_REPRODUCED in text


def test_what_was_not_measured_by_that_protocol_is_not_compared():
    lines = [line("knn", "top1", 0.745, num_images=16)]
    assert results(lines)["knn"] == "not comparable: 16 test images, there 50000"
    assert results(lines)["linear-augmented"] == "not run: no row of it in the table"
    without = results([], linear_augmented=None)
    assert without["linear-augmented"] == "not run: the experiment has no [linear_augmented]"
    whole = [line("knn", "top1", 0.745)]
    smaller = results(whole, features={"resize": 112, "crop_size": 112})["knn"]
    assert smaller == (
        "not comparable: features.resize is 112, there 256; features.crop_size is 112, there 224"
    )
    base = results(whole, network=BackboneConfig(size="base", image_size=224))["knn"]
    assert base == (
        "not comparable: the file holds a vit of 768 channels, 12 blocks, patches of 16, "
        "DINO, ViT-S/16 is a vit of 384 channels, 12 blocks, patches of 16"
    )


def test_a_further_data_set_has_sizes_of_its_own():
    evaluate = [{"name": "inet", "data": {"source": "i"}, "resize": 256, "crop_size": 224}]
    lines = [line("knn", "top1", 0.745, evaluation="inet", dataset="inet")]
    sizes = {"features": {"resize": 64, "crop_size": 64}, "evaluate": evaluate}
    assert results(lines, **sizes)["knn"] == "within"


def test_files_hold_fractions_and_the_source(tmp_path):
    found = anchor_lines(experiment_of(), [line("knn", "top1", 0.7405)], {"theirs": VIT_SMALL})
    write_anchors(tmp_path, found)
    first = json.loads((tmp_path / "anchors.json").read_text())[0]
    assert (first["published"], first["measured"], first["result"]) == (0.745, 0.7405, "within")
    assert NOT_REPRODUCED in (tmp_path / "anchors.md").read_text()


def test_names_that_are_nowhere_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"anchors\.other: no \[weights\.other\]; there are \['theirs'\]"):
        experiment_of(anchors={"other": "dino-vit-small-16"})
    with pytest.raises(ValueError, match="unknown anchor 'dino'; choose from"):
        experiment_of(anchors={"theirs": "dino"})
    with pytest.raises(ValueError, match="e names no anchors"):
        compare_anchors(experiment_of(anchors={}), tmp_path)


def test_every_number_has_a_source_and_a_tolerance():
    numbers = [number for anchor in ANCHORS.values() for number in anchor.numbers]
    assert len(numbers) == 11
    assert all("commit" in number.source and 0 < number.tolerance <= 1 for number in numbers)
