import pytest

from pipeline.config.executors import SlurmConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.slurm.nodes import check_nodes, num_nodes
from pipeline.graph.slurm.submission import resources_of, sbatch_parameters

STAGES = ["prepare", "pretrain", "knn"]


def test_ranks_have_their_nodes_and_other_stages_one(tmp_path):
    config = SlurmConfig(nodes=2, gpus=8)
    check_nodes(config, RuntimeConfig(devices=16), STAGES)
    assert num_nodes(resources_of(config, "pretrain"), ranks=16) == 2
    assert num_nodes(resources_of(config, "knn"), ranks=1) == 1
    where = {
        "name": "n",
        "cwd": tmp_path,
        "output": tmp_path / "%j",
        "warning_seconds": 60,
        "resources": config,
    }
    asked = sbatch_parameters(**where, num_nodes=2)
    assert (asked["nodes"], asked["ntasks_per_node"], asked["gpus_per_node"]) == (2, 1, 8)
    assert "nodes" not in sbatch_parameters(**where)


@pytest.mark.parametrize(
    ("slurm", "runtime", "message"),
    [
        ({"nodes": 2}, {}, r"executor\.slurm\.nodes 2: expected 1 .*\(runtime\.devices is 1\)"),
        (
            {"stages": {"knn": {"nodes": 2}}},
            {"devices": 2},
            r"executor\.slurm\.stages\.knn\.nodes 2: expected 1 .*\(knn does not run on ranks\)",
        ),
        (
            {"nodes": 2},
            {"devices": 3},
            r"nodes 2: expected as many ranks on each node, .* 3",
        ),
        (
            {"nodes": 4},
            {"devices": 2},
            r"nodes 4: expected as many ranks on each node, .* 2",
        ),
        ({"nodes": 2}, {"devices": 2, "hosts": "h"}, r"nodes 2: runtime\.hosts names hosts too"),
        (
            {"stages": {"pretrain": {"gpus": 1}}},
            {"devices": 8},
            r"stages\.pretrain\.gpus 1: expected a GPU for each rank of a node, found 8 .* gpus = 8",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_submitted(slurm, runtime, message):
    with pytest.raises(ValueError, match=message):
        check_nodes(SlurmConfig.model_validate(slurm), RuntimeConfig(**runtime), STAGES)


def test_ranks_on_processors_ask_for_no_gpu():
    check_nodes(SlurmConfig(gpus=1), RuntimeConfig(devices=8, device="cpu"), STAGES)
    check_nodes(SlurmConfig(nodes=1), RuntimeConfig(), STAGES)
