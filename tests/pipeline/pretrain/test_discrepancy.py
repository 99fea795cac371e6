import numpy as np

from tests.pipeline.pretrain.small_run import small_config


def network_of(config):
    from pipeline.models.hssl import HSSLNetwork
    from pipeline.models.initialization import initialize

    network = HSSLNetwork(config)
    initialize(network, seed=0)
    return network


def test_measures_are_of_the_maps_and_of_the_projected_vectors(jt, rng):
    from pipeline.evaluate.discrepancy import cka_distance
    from pipeline.pretrain.discrepancy import measured_discrepancy

    network = network_of(small_config())
    crops = rng.normal(size=(5, 3, 24, 24)).astype(np.float32)
    values = measured_discrepancy(network, crops, temperature=0.1)
    base = network.backbone(jt.array(crops)).feature_map
    own = network.auxiliary_head.mixed(base)
    expected = cka_distance(base.numpy().reshape(-1, 24), own.numpy().reshape(-1, 24))
    assert values["discrepancy_cka"] == expected
    assert 0 < values["discrepancy_cosine"] < 1
    assert values["discrepancy_kl"] > 0


def test_a_head_that_changes_nothing_is_at_no_distance(jt, rng):
    from pipeline.models.weights import assign_arrays, named_arrays
    from pipeline.pretrain.discrepancy import measured_discrepancy

    config = small_config(auxiliary_head={"depth": 1, "kernel_size": 3, "first_shortcut": True})
    network = network_of(config)
    arrays = named_arrays(network)
    silent = {
        name: np.zeros_like(value) if name.startswith("auxiliary_head.blocks.0.mlp.contract") else value
        for name, value in arrays.items()
    }
    assign_arrays(network, silent, "test")
    crops = rng.normal(size=(5, 3, 24, 24)).astype(np.float32)
    assert abs(measured_discrepancy(network, crops, 0.1)["discrepancy_cka"]) < 1e-9


def test_a_collapsed_network_has_no_cka(jt):
    from pipeline.pretrain.discrepancy import measured_discrepancy

    crops = np.zeros((3, 3, 24, 24), np.float32)
    network = network_of(small_config())
    network.backbone.pos_embed.assign(jt.zeros_like(network.backbone.pos_embed))
    assert "discrepancy_cka" not in measured_discrepancy(network, crops, 0.1)
