from pipeline.config.experiment import Experiment
from pipeline.graph.node_facts import backbone_of
from pipeline.graph.nodes import experiment_nodes


def test_a_base_of_a_file_is_not_known_before_the_file_is_read():
    sections = {"name": "e", "arms": ["ibot", "theirs"], "baseline": "ibot"}
    experiment = Experiment.model_validate(sections | {"weights": {"theirs": {"source": "their.pth"}}})
    of_file, of_arm = [], []
    for node in experiment_nodes(experiment):
        if node.stage in ("features", "knn"):
            (of_file if node.key.arm == "theirs" else of_arm).append(backbone_of(node))
    assert of_file == [None, None]
    assert of_arm == [experiment.backbone] * 2
