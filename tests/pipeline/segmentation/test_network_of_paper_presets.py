"""T32: the presets at paper scale build, and one image goes through."""

import numpy as np
import pytest

from pipeline.config.reading import read_experiment


# Parameters of ViT-S/16 and ViT-B/16 without classifier as timm counts them, and our mask token.
@pytest.mark.parametrize(
    ("preset", "num_parameters"),
    [
        ("imagenet-vit-small-dense", 21_665_664 + 384),
        pytest.param("imagenet-vit-base-dense", 85_798_656 + 768, marks=pytest.mark.slow),
    ],
)
def test_t32_segmentation_at_paper_scale(jt, rng, preset, num_parameters):
    """T32: published parameter counts, and a forward pass at a reduced image size."""
    from pipeline.models.dense_backbone import DenseBackbone
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer
    from pipeline.segmentation.network import SegmentationNetwork

    experiment = read_experiment(preset)
    vit = VisionTransformer(experiment.backbone)
    assert sum(int(np.prod(parameter.shape)) for parameter in vit.parameters()) == num_parameters
    initialize(vit, seed=0)
    config = experiment.segmentation.stage_config("uper-finetuned", seed=0)
    backbone = DenseBackbone(vit, tap_norm=config.heads.tap_norm, frozen=True)
    network = SegmentationNetwork(backbone, config, num_classes=150)
    network.eval()
    logits = network.logits_of(rng.normal(size=(1, 3, 64, 96)).astype(np.float32))
    assert logits.shape == (1, 150, 64, 96)
    assert np.isfinite(logits).all()
