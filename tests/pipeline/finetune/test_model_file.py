"""A fine-tuned network on disk says what it is."""

import numpy as np


def test_arrays_and_metadata_come_back(jt, tmp_path):
    from jittor import nn

    from pipeline.config.backbone import BackboneConfig
    from pipeline.finetune.model_file import save_model
    from pipeline.models.backbone_file import FrozenBackbone
    from pipeline.models.vit import VisionTransformer
    from pipeline.models.weights import named_arrays
    from pipeline.weights.arrays import read_arrays

    config = BackboneConfig(size="custom", image_size=16, patch_size=8, embed_dim=8, depth=1, num_heads=2)
    half = np.full(3, 0.5, np.float32)
    stored = FrozenBackbone(VisionTransformer(config), config, "teacher", half, 2 * half)
    network = nn.Linear(3, 2)
    save_model(tmp_path / "model.safetensors", network, {"seed": 3}, ["cat", "dog"], stored)
    arrays, metadata = read_arrays(tmp_path / "model.safetensors")
    assert {name: array.tolist() for name, array in arrays.items()} == {
        name: array.tolist() for name, array in named_arrays(network).items()
    }
    assert metadata == {
        "config": {"seed": 3},
        "class_names": ["cat", "dog"],
        "architecture": config.model_dump(mode="json"),
        "mean": [0.5] * 3,
        "std": [1.0] * 3,
    }
