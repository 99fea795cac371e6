"""Exported names are what our own reader takes back: the same arrays, bit for bit, without the other side."""

import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.weights import ForeignConfig
from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.hugging_face_folder import write_hugging_face
from pipeline.export.layouts import timm_base
from pipeline.export.timm_folder import write_timm
from pipeline.weights.foreign import read_foreign

MEAN, STD = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.25, 0.3], np.float32)
KINDS = {
    "vit": {"image_size": 16, "patch_size": 4, "embed_dim": 12, "depth": 2, "num_heads": 3},
    "vit-registers": {
        "image_size": 16, "patch_size": 4, "embed_dim": 12, "depth": 2, "num_heads": 3, "register_tokens": 3,
    },
    "swin": {
        "image_size": 64, "patch_size": 4, "embed_dim": 8, "depths": (1, 2, 1, 1),
        "num_heads": 2, "window_size": 2,
    },
    "convnext": {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": (1, 2, 1, 1)},
    "resnet-batch": {
        "image_size": 32, "patch_size": 4, "embed_dim": 64, "depths": (1, 1, 1, 1), "bottleneck": True,
        "norm": "batch",
    },
    "resnet": {
        "image_size": 32, "patch_size": 4, "embed_dim": 64, "depths": (1, 1, 1, 1), "bottleneck": True,
    },
}  # fmt: skip


def config_of(kind, **changes):
    """The configuration of a toy base; its kind's name ends at a dash."""
    return BackboneConfig(kind=kind.partition("-")[0], size="custom", **KINDS[kind] | changes)


@pytest.fixture
def described(jt, rng):
    """A base of a kind with every array drawn, so that none can be left out unseen."""
    from pipeline.models.backbones import build_backbone

    def make(kind, **changes):
        config = config_of(kind, **changes)
        shapes = {name: each.shape for name, each in build_backbone(config).named_parameters()}
        arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        return DescribedBase("toy", config, arrays, MEAN, STD, resize=2 * config.image_size)

    return make


@pytest.mark.parametrize(
    ("kind", "write"),
    [
        ("vit", write_timm),
        ("vit", write_hugging_face),
        ("swin", write_timm),
        ("convnext", write_timm),
        ("resnet-batch", write_timm),
        ("resnet-batch", write_hugging_face),
    ],
)
def test_our_own_reader_takes_the_folder_back(described, tmp_path, kind, write):
    base = described(kind)
    write(base, tmp_path)
    size = base.config.image_size
    # What config.json states; image_size only where it does not.
    found = read_foreign(ForeignConfig(source=str(tmp_path), image_size=None if kind == "vit" else size))
    assert found.config == base.config
    expected = {name: array for name, array in base.arrays.items() if name != "mask_token"}
    assert found.arrays.keys() == expected.keys()
    for name, array in expected.items():
        if kind == "resnet-batch":  # the variance that is written is 1 - eps in float32
            np.testing.assert_allclose(found.arrays[name], array, rtol=3e-7, err_msg=name)
        else:
            np.testing.assert_array_equal(found.arrays[name], array, err_msg=name)
    np.testing.assert_array_equal(found.mean, MEAN)
    np.testing.assert_array_equal(found.std, STD)
    assert (tmp_path / "README.md").read_text().startswith("---\nlibrary_name:")


def test_what_timm_computes_otherwise_is_refused(described, tmp_path):
    with pytest.raises(ExportError, match=r"stage 1 has 16 x 16 positions, which windows of 3 do not divide"):
        write_timm(described("swin", window_size=3), tmp_path)
    with pytest.raises(ExportError, match="patch_size 2"):
        timm_base(*_config_and_arrays(described("convnext", patch_size=2)))
    with pytest.raises(ExportError, match="mlp_ratio 2"):
        timm_base(*_config_and_arrays(described("convnext", mlp_ratio=2.0)))
    with pytest.raises(ExportError, match="register_tokens: ViTModel has none; format=timm writes them"):
        write_hugging_face(described("vit-registers"), tmp_path)
    with pytest.raises(ExportError, match="group norm of 16 channels"):
        write_timm(described("resnet"), tmp_path)
    with pytest.raises(ExportError, match="stage 4 has 1 x 1 positions, fewer than a window of 2"):
        write_hugging_face(described("swin", image_size=32), tmp_path)
    with pytest.raises(ExportError, match="kernel_size 5: ConvNextModel has 7"):
        write_hugging_face(described("convnext", kernel_size=5), tmp_path)
    with pytest.raises(ExportError, match="group norm of 16 channels a group, ResNetModel batch norm alone"):
        write_hugging_face(described("resnet"), tmp_path)
    assert not list(tmp_path.iterdir())


def _config_and_arrays(base):
    return base.config, base.arrays
