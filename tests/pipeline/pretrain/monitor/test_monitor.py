"""Runs of a few steps with the monitor: what it measures, and that nothing else changes."""

import json

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.config.monitor import MonitorConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.evaluate.discrepancy import cka_distance
from pipeline.pretrain.entropy import mean_entropy
from pipeline.pretrain.monitor.measures import alignment, rank_me, uniformity
from tests.pipeline.pretrain.small_run import config_of_method, small_config

EAGER = RuntimeConfig(checkpoint_every_minutes=1e-9, log_every_steps=2)
SPEEDS = ("images_per_second", "data_wait_share")


class Stopped(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> PreparedDataset:
    """16 labelled images, and a test part."""
    folder = tmp_path_factory.mktemp("monitored")
    rng = np.random.default_rng(0)
    arrays = {f"{part}_images": rng.integers(0, 256, (16, 24, 24, 3), np.uint8) for part in ("train", "test")}
    arrays |= {f"{part}_labels": np.arange(16) % 2 for part in ("train", "test")}
    np.savez(folder / "images.npz", **arrays)
    (folder / "prepared").mkdir()
    prepare(DataConfig(source=str(folder / "images.npz")), folder / "prepared", num_workers=1)
    return PreparedDataset.open(folder / "prepared")


def of_seven_steps(config, monitored=True):
    """Two epochs of 14 images (two of 16 are validation), in batches of four."""
    schedule = config.schedule.model_copy(update={"epochs": 2.0})
    monitor = MonitorConfig(every_epochs=1, num_images=12, k=3) if monitored else None
    return config.model_copy(update={"schedule": schedule, "monitor": monitor})


def run(dataset, output, config, stop_after=None):
    from pipeline.pretrain.training import pretrain

    def report(progress):
        if progress.step == stop_after:
            raise Stopped

    output.mkdir(exist_ok=True)
    state = pretrain(config, dataset, output, runtime=EAGER, report=report)
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return state, [{k: v for k, v in json.loads(line).items() if k not in SPEEDS} for line in lines]


def weights(state):
    from pipeline.models.weights import named_arrays

    return {
        f"{side}/{k}": v
        for side in ("student", "teacher")
        for k, v in named_arrays(getattr(state, side)).items()
    }


def watched(line):
    return {name for name in line if name.startswith("monitor_")}


def test_nothing_but_the_log_changes(jt, dataset, tmp_path):
    plain, before = run(dataset, tmp_path / "plain", of_seven_steps(small_config(), monitored=False))
    state, after = run(dataset, tmp_path / "monitored", of_seven_steps(small_config()))
    expected, found = weights(plain), weights(state)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert [{k: v for k, v in line.items() if not k.startswith("monitor_")} for line in after] == before
    assert [line["step"] for line in after if watched(line)] == [4, 7]
    assert watched(after[-1]) == {
        "monitor_knn_top1", "monitor_rankme", "monitor_alignment", "monitor_uniformity", "monitor_cka",
        "monitor_teacher_entropy",
    }  # fmt: skip


def test_a_killed_and_resumed_run_logs_the_same_numbers(jt, dataset, tmp_path):
    config = of_seven_steps(small_config())
    whole, expected = run(dataset, tmp_path / "whole", config)
    with pytest.raises(Stopped):
        run(dataset, tmp_path / "parts", config, stop_after=4)
    resumed, found = run(dataset, tmp_path / "parts", config)
    assert found == expected
    assert all(np.array_equal(value, weights(resumed)[name]) for name, value in weights(whole).items())


def test_the_numbers_are_those_of_the_network(jt, dataset, tmp_path):
    """Features taken apart from the monitor, all images in one batch."""
    from pipeline.pretrain.input_statistics import IMAGENET_MEAN, IMAGENET_STD
    from pipeline.pretrain.monitor.sample import draw_sample
    from pipeline.training.random_generators import Purpose, generator
    from pipeline.transforms.evaluation import center_crops
    from pipeline.transforms.multi_crop import multi_crop

    config = of_seven_steps(small_config())
    state, lines = run(dataset, tmp_path / "run", config)
    sample, statistics = draw_sample(dataset, config.monitor), {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    assert set(sample.bank) | set(sample.queries) <= set(dataset.indices("train"))
    images = [dataset.image(int(row)) for row in (*sample.queries, *sample.bank)]
    with jt.no_grad():
        teacher = state.teacher
        tokens = teacher.backbone(jt.array(center_crops(images, 24, 24, **statistics)))
        features = tokens.cls.numpy()
        maps = [
            x.numpy()[:3].reshape(-1, 24)
            for x in (tokens.feature_map, teacher.auxiliary_head.mixed(tokens.feature_map))
        ]
        views = multi_crop(
            generator(0, Purpose.MONITOR_VIEWS, 0), images[:3], config.crops, **statistics
        ).global_crops
        tokens = [teacher.backbone(jt.array(view)) for view in views]
        sides = [each.cls.numpy() for each in tokens]
        head, objective = teacher.projection_head, config.objective
        rows = [head.auxiliary(teacher.auxiliary_head(each.feature_map)).numpy() for each in tokens]
    prototypes = head.prototypes.numpy().astype(np.float64)
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    logits = np.concatenate(rows) @ prototypes.T - state.method_state["cls"].numpy()
    from pipeline.optim.schedules import Schedule

    logits /= (
        Schedule(config.schedule, objective, num_images=len(dataset.indices("train")))
        .at(6)
        .teacher_temperature
    )
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    last = lines[-1]
    near = {"rel": 1e-4, "abs": 1e-6}
    assert last["monitor_rankme"] == pytest.approx(rank_me(features), **near)
    assert last["monitor_cka"] == pytest.approx(cka_distance(*maps), **near)
    assert last["monitor_alignment"] == pytest.approx(alignment(*sides), **near)
    assert last["monitor_uniformity"] == pytest.approx(np.mean([uniformity(x) for x in sides]), **near)
    assert last["monitor_teacher_entropy"] == pytest.approx(mean_entropy(probs), **near)
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    hits = 0
    for query, truth in zip(units[:3], sample.query_labels, strict=True):
        cosines = units[3:] @ query
        nearest = np.argsort(-cosines)[:3]
        votes = [
            np.exp(cosines[nearest] / 0.07)[sample.bank_labels[nearest] == label].sum() for label in (0, 1)
        ]
        hits += int(np.argmax(votes) == truth)
    assert last["monitor_knn_top1"] == pytest.approx(hits / 3)


def test_a_method_without_prototypes_head_or_teacher(jt, dataset, tmp_path):
    config = of_seven_steps(config_of_method("simclr", head=False))
    _, lines = run(dataset, tmp_path / "run", config)
    assert watched(lines[-1]) == {
        "monitor_knn_top1", "monitor_rankme", "monitor_alignment", "monitor_uniformity",
    }  # fmt: skip
