"""What other stages than pretraining make on two ranks is what one makes."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.training.metrics_log import read_metrics
from tests.pipeline.several_ranks import needs_mpi, run_on_ranks
from tests.stages.ranks_run import run_stage, write_inputs

pytestmark = [needs_mpi, pytest.mark.slow]  # processes that wait for one another
EVALUATIONS = ("features", "linear_augmented", "dense_probe")
TRAININGS = ("finetune", "segment", "detect", "search_train")
STAGES = (*EVALUATIONS, *TRAININGS)


@pytest.fixture(scope="module")
def made(jt, tiny_prepared, tmp_path_factory):
    """Every stage by "one" rank and by "two"."""
    root = tmp_path_factory.mktemp("ranks")
    write_inputs(root, tiny_prepared)
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
