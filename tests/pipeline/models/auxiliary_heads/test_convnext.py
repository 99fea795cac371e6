import numpy as np

from pipeline.config.models import AuxiliaryHeadConfig


def build(first_shortcut):
    from pipeline.models.auxiliary_heads import FeatureMap, auxiliary_head
    from pipeline.models.initialization import initialize

    config = AuxiliaryHeadConfig(depth=2, kernel_size=3, first_shortcut=first_shortcut)
    head = auxiliary_head(config, FeatureMap(dim=8, grid=(5, 4), num_heads=1))
    initialize(head, seed=0)
    return head


def test_without_first_shortcut_no_identity_path_remains(jt, rng):
    feature_map = jt.array(rng.normal(size=(2, 5, 4, 8)).astype(np.float32))
    silent = [build(first_shortcut) for first_shortcut in (False, True)]
    for head in silent:
        for block in head.blocks:
            block.mlp.contract.weight.assign(jt.zeros_like(block.mlp.contract.weight))
    # With silent branches only the shortcut can carry the image to the head's output.
    without, with_shortcut = (head(feature_map).numpy() for head in silent)
    assert np.abs(without).max() == 0
    assert np.abs(with_shortcut).max() > 0.1


def test_pools_first_and_normalises_after(jt, rng):
    head = build(first_shortcut=True)  # with an output far above the norm's eps
    out = head(jt.array(rng.normal(size=(3, 4, 4, 8)).astype(np.float32))).numpy()
    assert out.shape == (3, 8)
    assert np.abs(out.mean(axis=1)).max() < 1e-5
    assert np.abs(out.std(axis=1) - 1).max() < 1e-3
