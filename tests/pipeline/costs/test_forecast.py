import json

import pytest
from pipeline.costs.pretraining import step_operations

from benchmarks.step_sizes import step_config
from pipeline.costs.forecast import pretrain_seconds


def measured(folder, **gflops):
    entries = [
        {"name": name.replace("_", "-"), "flops": flops, "gflops": rate}
        for name, (flops, rate) in gflops.items()
    ]
    (folder / "benchmark.json").write_text(json.dumps(entries))


def test_operations_over_the_rate_of_the_nearest_size(tmp_path):
    config = step_config("vit-small")
    per_step = step_operations(config)
    measured(tmp_path, step_small=(per_step / 50, 10.0), step_vit_small=(per_step * 1.1, 40.0))
    assert pretrain_seconds(config, 800, tmp_path) == pytest.approx(100 * per_step / 40e9)
    measured(tmp_path, step_small=(per_step / 50, 10.0))
    assert pretrain_seconds(config, 800, tmp_path) == pytest.approx(100 * per_step / 10e9)


def test_nothing_without_a_benchmark_or_a_count(tmp_path):
    config = step_config("toy")
    assert pretrain_seconds(config, 800, tmp_path) is None
    (tmp_path / "benchmark.json").write_text("[{]")
    assert pretrain_seconds(config, 800, tmp_path) is None
    measured(tmp_path, step_small=(1e9, 10.0))
    assert pretrain_seconds(config, 800, tmp_path) > 0
    assert pretrain_seconds(step_config("toy", {"auxiliary_head": {"kind": "vit"}}), 800, tmp_path) > 0
