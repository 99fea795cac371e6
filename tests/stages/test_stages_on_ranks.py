"""What other stages than pretraining make on two ranks is what one makes."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import DataConfig
from pipeline.config.stages import InitializeConfig, RuntimeConfig
from pipeline.datasets.preparing import prepare
from pipeline.training.metrics_log import read_metrics
from stages import initialize
from tests.pipeline.several_ranks import needs_mpi, run_on_ranks
from tests.stages.ranks_run import run_stage
from tests.stages.test_segment import CLASSES, write_images

pytestmark = [needs_mpi, pytest.mark.slow]  # processes that wait for one another
SMALL = {"size": "custom", "image_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
PRETRAIN = {
    "backbone": SMALL | {"image_size": 24, "patch_size": 6},
    "auxiliary_head": {"depth": 2, "kernel_size": 3},
    "projection_head": {"hidden_dim": 20, "bottleneck_dim": 12, "num_prototypes": 16},
    "objective": {},
    "regularisation": {"drop_path_rate": 0.2},
    "crops": {"global_size": 24, "local_size": 12, "num_local": 1},
    "masks": {},
    "schedule": {"epochs": 2, "batch_size": 12, "warmup_epochs": 0, "freeze_last_layer_epochs": 0},
    "normalization": "dataset",
    "seed": 3,
}
EVALUATIONS = ("features", "linear_augmented", "dense_probe")
TRAININGS = ("finetune", "segment", "detect", "search_train")
STAGES = (*EVALUATIONS, *TRAININGS)


@pytest.fixture(scope="module")
def made(jt, tiny_prepared, tmp_path_factory):
    """Every stage by "one" rank and by "two"."""
    root = tmp_path_factory.mktemp("ranks")
    (root / "images").symlink_to(tiny_prepared)
    for name in ("backbone", "label_maps", "objects"):
        (root / name).mkdir()
    drawn = InitializeConfig(backbone=BackboneConfig(**SMALL), normalization="dataset", seed=1)
    initialize.run(drawn, root / "backbone", data=tiny_prepared, runtime=RuntimeConfig(threads=1))
    source = write_images(root / "masks", {"train": 8, "val": 1, "test": 5})
    maps = DataConfig(source=str(source), class_names=CLASSES, val_share=0.0)
    prepare(maps, root / "label_maps", num_workers=1)
    scenes = {"drawing": "objects", "image_size": 32, "num_train": 8, "num_val": 2, "num_test": 5}
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), root / "objects", num_workers=1)
    (root / "pretrain.json").write_text(json.dumps(PRETRAIN))
    for stage in STAGES:
        run_stage(stage, root, root / "one" / stage, 1)
    run_on_ranks(2, "-m", "tests.stages.ranks_run", str(root), *STAGES)
    return root


@pytest.mark.parametrize("stage", EVALUATIONS)
def test_frozen_networks_are_evaluated_equal_to_the_bit(made, stage):
    folders = [made / by / stage for by in ("one", "two")]
    one, two = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert len(one) > 2
    assert one == two


@pytest.mark.parametrize(
    ("stage", "file"), [("finetune", "classifier"), ("segment", "model"), ("detect", "model")]
)
def test_a_trained_network_is_that_of_one_rank(made, stage, file):
    one, two = (load_file(made / by / stage / f"{file}.safetensors") for by in ("one", "two"))
    assert one.keys() == two.keys()
    # AdamW makes steps of full size from gradients that are rounding noise: all tensors together.
    first, second = (np.concatenate([each[name].ravel() for name in sorted(each)]) for each in (one, two))
    assert np.linalg.norm(second - first) < 1e-4 * np.linalg.norm(first)


@pytest.mark.parametrize("stage", TRAININGS)
def test_the_losses_are_those_of_one_rank(made, stage):
    one, two = (read_metrics(made / by / stage / "metrics.jsonl") for by in ("one", "two"))
    assert [line["step"] for line in two] == [line["step"] for line in one]
    assert len(one) > 3
    for expected, found in zip(one, two, strict=True):
        names = [name for name in expected if "loss" in name or "cross_entropy" in name]
        assert names
        for name in names:
            assert found[name] == pytest.approx(expected[name], rel=1e-3), (expected["step"], name)


@pytest.mark.parametrize("stage", ["finetune", "segment", "detect"])
def test_scores_are_of_all_test_images(made, stage):
    one, two = (json.loads((made / by / stage / "rows.json").read_text()) for by in ("one", "two"))
    assert [row["metric"] for row in two] == [row["metric"] for row in one]
    assert [row["num_images"] for row in two] == [row["num_images"] for row in one]


def test_scores_of_the_candidates_are_those_of_one_rank(made):
    one, two = (json.loads((made / by / "search_train" / "scores.json").read_text()) for by in ("one", "two"))
    for head, scores in one.items():
        assert two[head] == pytest.approx(scores, rel=1e-3, abs=1e-5)
