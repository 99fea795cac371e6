from pathlib import Path

from pipeline.config.executors import SlurmConfig
from pipeline.graph.slurm.submission import resources_of, sbatch_parameters


def test_a_stage_overrides_what_all_stages_ask_for():
    config = SlurmConfig.model_validate(
        {
            "partition": "cpu",
            "cpus": 4,
            "arguments": {"nice": 10, "exclusive": True},
            "stages": {"pretrain": {"partition": "gpu", "gpus": 2, "arguments": {"exclusive": False}}},
        }
    )
    of_pretraining, of_probe = resources_of(config, "pretrain"), resources_of(config, "knn")
    assert (of_pretraining.partition, of_pretraining.cpus, of_pretraining.gpus) == ("gpu", 4, 2)
    assert of_pretraining.arguments == {"nice": 10, "exclusive": False}
    assert (of_probe.partition, of_probe.cpus, of_probe.gpus) == ("cpu", 4, None)


def test_what_is_not_given_is_not_asked_for():
    where = {"name": "n", "cwd": Path("/p"), "output": Path("/p/%j.out"), "warning_seconds": 60}
    bare = sbatch_parameters(**where, resources=resources_of(SlurmConfig(), "knn"))
    # Of these submitit or Slurm would take a word for true.
    assert bare["time"] is bare["wckey"] is bare["mem"] is bare["gpus_per_node"] is None
    config = SlurmConfig(memory_gib=1.5, time_minutes=90, arguments={"exclusive": False, "nice": 3})
    asked = sbatch_parameters(**where, resources=resources_of(config, "knn"))
    assert (asked["mem"], asked["time"]) == ("1536M", 90)
    assert "exclusive" not in asked["additional_parameters"]
    assert asked["additional_parameters"]["nice"] == 3
    assert asked["additional_parameters"]["signal"] == "B:USR2@60"
