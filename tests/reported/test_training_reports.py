"""Trainings that are asked for anew with other settings."""

from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.nodes import experiment_nodes

ROOT = Path(__file__).resolve().parents[2]


def test_more_epochs_after_a_stop_are_another_training(tmp_path):
    """A stopped pretraining keeps its folder and checkpoint; more epochs or other batches get their own."""

    def folder(**schedule):
        experiment = Experiment.model_validate({"name": "e", "arms": ["ibot"], "schedule": schedule})
        code = CodeDigests(ROOT, tmp_path / "memo.json")
        graph = Graph(
            experiment_nodes(experiment), tmp_path / "results", code=code, listing=lambda config: "listing"
        )
        graph._identity = lambda node: graph.fingerprint(node)  # as if everything was prepared
        node = next(node for node in graph.nodes if node.stage == "pretrain")
        return graph.fingerprint(node)

    asked = {"epochs": 40, "batch_size": 64}
    assert folder(**asked) == folder(**asked)
    others = [folder(**asked | change) for change in ({"epochs": 80}, {"batch_size": 32})]
    assert len({folder(**asked), *others}) == 3
