"""What [[evaluate]] adds to an experiment's graph, and that it changes nothing else."""

import json
from pathlib import Path

import pytest

from pipeline.config.experiment import Experiment
from pipeline.config.reading import read_experiment
from pipeline.costs.forecast import PROBE_SECONDS
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.forecasts import Forecasts
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.study_nodes import study_nodes
from pipeline.storage.runs import RunKey
from tests.pipeline.graph.test_nodes import inputs_of, nodes_of

ROOT = Path(__file__).resolve().parents[3]
FLOWERS = {"name": "flowers", "data": {"source": "f"}}
EVALUATE = '[[evaluate]]\nname = "flowers"\ndata = { source = "f" }\ntasks = ["knn", "linear", "few-shot"]\n'


def test_every_arm_at_every_seed_is_evaluated_on_the_further_images():
    top = {"seeds": [0, 3], "label_shares": [1.0, 0.1]}
    nodes = nodes_of(evaluate=[FLOWERS | {"tasks": ["knn", "few-shot"]}], **top)
    assert nodes["prepare:flowers"].config.source == "f"
    assert inputs_of(nodes["features:flowers-hssl-seed3"]) == {
        "data": "prepare:flowers",
        "backbone": "pretrain:hssl-seed3",
    }
    assert inputs_of(nodes["knn:flowers-random-seed0"]) == {"features": "features:flowers-random-seed0"}
    assert inputs_of(nodes["few-shot:flowers-hssl-seed3"]) == {"features": "features:flowers-hssl-seed3"}
    assert inputs_of(nodes["duplicates:flowers"]) == {"data": "prepare:flowers"}
    runs = nodes["tables"].runs
    key = RunKey(data="flowers", arm="hssl", seed=3)
    assert runs["knn", key] is nodes["knn:flowers-hssl-seed3"]
    assert runs["few-shot", key] is nodes["few-shot:flowers-hssl-seed3"]
    assert ("features", key) in nodes["report"].runs
    own = nodes_of(**top)
    stages = {"prepare": 1, "duplicates": 1, "features": 4, "knn": 4, "few-shot": 4}
    added = [nodes[label].stage for label in nodes if label not in own]
    assert {stage: added.count(stage) for stage in added} == stages, "no share of the labels, no other probe"


def test_features_alone_have_the_sizes_of_their_images():
    nodes = nodes_of(evaluate=[FLOWERS | {"tasks": ["features"], "resize": 64, "crop_size": 32}])
    assert nodes["features:flowers-hssl-seed0"].config.crop_size == 32
    assert "knn:flowers-hssl-seed0" not in nodes
    assert nodes["features:hssl-seed0"].config.crop_size == 224
    assert nodes["features:flowers-hssl-seed0"].work < nodes["features:hssl-seed0"].work


def test_pixels_have_neighbours_on_the_further_images_too():
    tasks = ["knn", "linear", "few-shot"]
    nodes = nodes_of(arms=["random", "pixels", "hssl"], seeds=[0, 1], evaluate=[FLOWERS | {"tasks": tasks}])
    assert inputs_of(nodes["pixels:images"]) == {"data": "prepare:images"}
    assert inputs_of(nodes["knn:pixels-seed1"]) == {"features": "pixels:images"}
    of_pixels = {label for label in nodes if "flowers" in label and "pixels" in label}
    probed = {f"{stage}:flowers-pixels-seed{seed}" for stage in ("knn", "few-shot") for seed in (0, 1)}
    assert of_pixels == {"pixels:flowers", *probed}
    assert nodes["few-shot:flowers-pixels-seed1"].config.methods == ("knn",)
    assert inputs_of(nodes["pixels:flowers"]) == {"data": "prepare:flowers"}


def test_whole_backbones_are_fine_tuned_as_the_sections_say():
    evaluate = [
        FLOWERS | {"tasks": ["finetune"]},
        {"name": "streets", "data": {"source": "s"}, "tasks": ["segment"]},
        {"name": "cells", "data": {"source": "c"}, "tasks": ["detect"]},
    ]
    sections = {"finetune": {"label_shares": [0.1]}, "segmentation": {}, "detection": {}, "dense_probe": {}}
    nodes = nodes_of(evaluate=evaluate, **sections)
    classifier = nodes["finetune:flowers-hssl-seed0"]
    assert inputs_of(classifier) == {"backbone": "pretrain:hssl-seed0", "data": "prepare:flowers"}
    assert classifier.config == nodes["finetune:10pct-hssl-seed0"].config
    streets = nodes["segment:streets-uper-finetuned-hssl-seed0"]
    assert inputs_of(streets) == {"backbone": "pretrain:hssl-seed0", "data": "prepare:streets"}
    assert streets.config == nodes["segment:uper-finetuned-hssl-seed0"].config
    assert nodes["prepare:streets"].config.annotation == "label-map"
    assert inputs_of(nodes["position:streets"]) == {"data": "prepare:streets"}
    assert inputs_of(nodes["position:segmentation"]) == {"data": "prepare:segmentation"}
    assert nodes["position:streets"].config.num_bootstrap.keys() == {
        "segment-linear-frozen",
        "segment-uper-finetuned",
    }
    assert inputs_of(nodes["detect:cells-frozen-random-seed0"])["data"] == "prepare:cells"
    features = {label for label in nodes if label.startswith("features:")}
    assert features == {"features:random-seed0", "features:hssl-seed0"}, "no task reads any of these images"
    assert inputs_of(nodes["dense_probe:hssl-seed0"]).keys() == {"backbone", "segmentation", "detection"}


def test_a_study_reads_the_experiments_own_images_also_where_an_evaluation_has_the_same(tmp_path):
    few = {"name": "few", "data": {"source": "own"}, "tasks": ["few-shot"]}
    settings = {"name": "e", "data": {"source": "own"}, "ablate": {"variants": {"deep": {"depth": 6}}}}
    experiment = Experiment.model_validate(settings | {"evaluate": [few]})
    main = experiment_nodes(experiment)
    added = {node.label: node for node in study_nodes(experiment, main)}
    assert inputs_of(added["studies:features-hssl.deep-seed0"])["data"] == "prepare:images"
    assert added["ablate"].runs["knn", RunKey(arm="hssl", seed=0)] in main


def test_few_shots_are_forecast_by_their_fits(code, tmp_path):
    """Of a drawn data set, whose images are counted before they are there."""
    few = {"name": "few", "data": {"source": "photo-scenes"}, "tasks": ["few-shot"]}

    def seconds(**few_shot):
        experiment = Experiment.model_validate({"name": "e", "evaluate": [few], "few_shot": few_shot})
        nodes = {node.label: node for node in experiment_nodes(experiment)}
        graph = Graph([*nodes.values()], tmp_path, code=code, listing=lambda config: "listing")
        forecasts = Forecasts(graph, rate=lambda threads: 130e9, compiled=(True, True))
        return forecasts.seconds(nodes["few-shot:few-hssl-seed0"]) - PROBE_SECONDS

    assert seconds(draws=20) == pytest.approx(2 * seconds(draws=10))
    both, each = seconds(), [seconds(methods=(method,)) for method in ("knn", "logistic")]
    assert both == pytest.approx(sum(each))


@pytest.fixture(scope="module")
def code() -> CodeDigests:
    return CodeDigests(ROOT)


def fingerprints(experiment: Experiment, code: CodeDigests, results: Path) -> dict[str, str]:
    graph = Graph(experiment_nodes(experiment), results, code=code, listing=lambda config: "listing")
    graph._identity = graph.fingerprint  # as if everything was prepared
    return {node.link: graph.fingerprint(node) for node in graph.nodes}


def test_no_stage_of_an_experiment_has_another_fingerprint_beside_an_evaluation(code, tmp_path):
    path = tmp_path / "smoke.toml"
    path.write_text(f'extends = "smoke"\n{EVALUATE}')
    before, after = (fingerprints(read_experiment(name), code, tmp_path) for name in ("smoke", str(path)))
    after["pixels"] = after.pop("pixels-images")  # a task cannot be called as a group of several is
    assert before.keys() <= after.keys()
    assert {link for link in before if before[link] != after[link]} == {"tables", "report"}
    assert all("flowers" in link for link in after.keys() - before.keys())


def test_without_an_evaluation_the_report_shows_the_settings_that_it_showed():
    nodes = {node.label: node for node in experiment_nodes(read_experiment("smoke"))}
    settings = json.loads(nodes["report"].config.settings)
    assert not {"evaluate", "few_shot"} & settings.keys()
    shown = json.loads(nodes_of(evaluate=[FLOWERS])["report"].config.settings)
    assert shown["evaluate"][0]["name"] == "flowers"
