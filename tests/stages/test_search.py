"""The stages `search-train` and `search` in this process: their files, and equal runs with equal content."""

import json

import pytest

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import JointTrainingConfig, SearchConfig
from pipeline.storage.files import sha256_of_file
from pipeline.storage.runs import Run, RunKey
from stages import search, search_train

RUNTIME = RuntimeConfig(log_every_steps=1)
HEADS = {
    "conv": AuxiliaryHeadConfig(depth=2, kernel_size=3),
    "mixer": AuxiliaryHeadConfig(kind="mixer", depth=1),
}


def trained(output, data, config):
    output.mkdir()
    joint = JointTrainingConfig(pretrain=config, candidates=HEADS)
    return search_train.run(joint, output, data=data, runtime=RUNTIME)


def test_equal_runs_choose_the_same_head(jt, tiny_prepared, tiny_config, tmp_path):
    first = trained(tmp_path / "first", tiny_prepared, tiny_config)
    assert first == sha256_of_file(tmp_path / "first" / "scores.json")
    assert trained(tmp_path / "second", tiny_prepared, tiny_config) == first
    names = {path.name for path in (tmp_path / "first").iterdir()}
    checkpoint = {"checkpoint.safetensors", "checkpoint-metrics.json"}
    assert names == checkpoint | {"scores.json", "cost.json", "metrics.jsonl"}
    config = SearchConfig(experiment="e", arm="hssl", baseline="ibot", heads=HEADS, ranking="cka")
    first_run = Run("search-train", RunKey(seed=0), tmp_path / "first")
    search.run(config, tmp_path, runtime=RUNTIME, runs=[first_run])
    scores = json.loads((tmp_path / "first" / "scores.json").read_text())
    found = json.loads((tmp_path / "search.json").read_text())
    assert found["chosen"] == max(scores, key=lambda name: scores[name]["cka"])
    assert [line["cka"] for line in found["lines"]] == pytest.approx(
        sorted((of_one["cka"] for of_one in scores.values()), reverse=True)
    )
    assert found["cost"]["share"] > 0
