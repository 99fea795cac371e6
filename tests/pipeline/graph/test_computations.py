from dataclasses import replace

from pipeline.config.reading import read_experiment
from pipeline.graph.computations import Computations
from pipeline.graph.nodes import experiment_nodes
from pipeline.storage.runs import RunKey


def test_names_do_not_count_but_settings_stages_and_inputs_do():
    nodes = {node.label: node for node in experiment_nodes(read_experiment("smoke"))}
    digest = Computations().digest
    features, knn = nodes["features:hssl-seed0"], nodes["knn:hssl-seed0"]
    assert digest(replace(knn, key=RunKey(arm="other"))) == digest(knn)
    assert digest(replace(knn, stage="linear")) != digest(knn)
    other = replace(features, config=features.config.model_copy(update={"crop_size": 7}))
    assert digest(replace(knn, inputs={**knn.inputs, "features": other})) != digest(knn)
