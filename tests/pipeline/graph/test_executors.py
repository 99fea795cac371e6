import pytest

from pipeline.config.executors import ExecutorConfig
from pipeline.config.experiment import Experiment
from pipeline.graph.executors import check_stages, executor_named, runs_here
from pipeline.graph.local_executor import LocalExecutor
from pipeline.graph.nodes import experiment_nodes


def test_stages_run_here_unless_another_place_is_named(monkeypatch, tmp_path):
    here = executor_named("local", ExecutorConfig())
    assert isinstance(here, LocalExecutor)
    assert runs_here(here)
    assert not runs_here(lambda *given, **more: None)
    with pytest.raises(ValueError, match="executor=slrum: expected one of local, slurm"):
        executor_named("slrum", ExecutorConfig())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="there is no sbatch here"):
        executor_named("slurm", ExecutorConfig())


def test_a_misspelt_stage_is_named():
    config = ExecutorConfig.model_validate({"slurm": {"stages": {"pretrian": {"gpus": 1}}}})
    with pytest.raises(ValueError, match=r"stages\.pretrian: no such stage; did you mean pretrain\?"):
        check_stages(config, ["prepare", "pretrain"])


def test_no_setting_of_an_executor_reaches_what_a_stage_is_given():
    there = {"slurm": {"partition": "gpu", "cpus": 3, "stages": {"pretrain": {"gpus": 2}}}}
    plain, on_cluster = (
        [(node.label, node.config, node.runtime) for node in experiment_nodes(Experiment(name="e", **given))]
        for given in ({}, {"executor": ExecutorConfig.model_validate(there)})
    )
    assert plain == on_cluster
