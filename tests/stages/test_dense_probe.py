"""The stage of dense probes on a few drawn images."""

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import DataConfig, PhotoScenesConfig
from pipeline.config.dense import DenseProbeConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.preparing import prepare
from pipeline.measures.measure import REPLICATES, replicates_key
from stages import dense_probe

CONFIG = DenseProbeConfig(
    image_size=24, max_train_patches=200, num_bootstrap=50, num_pictures=3, batch_size=8
)
SEGMENTATION = [("patch-linear", "miou"), ("patch-knn", "miou"), ("clusters", "miou")]
DETECTION = [
    ("attention", "jaccard"),
    ("lost", "corloc"),
    ("lost", "corloc_centre_box"),
    ("tokencut", "corloc"),
    ("tokencut", "corloc_centre_box"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared mosaics and objects, by the stage's names of them."""
    folders = {}
    for name, drawing in (("segmentation", "mosaics"), ("detection", "objects")):
        folders[name] = tmp_path_factory.mktemp(name)
        scenes = PhotoScenesConfig(drawing=drawing, image_size=32, num_train=20, num_val=6, num_test=9)
        prepare(DataConfig(photo_scenes=scenes), folders[name], num_workers=1)
    return folders


@pytest.fixture(scope="module")
def backbone(jt, tmp_path_factory):
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    config = BackboneConfig(size="custom", image_size=24, patch_size=6, embed_dim=16, depth=2, num_heads=2)
    network = VisionTransformer(config)
    initialize(network, seed=0)
    folder = tmp_path_factory.mktemp("backbone")
    half = np.full(3, 0.5, np.float32)
    save_backbone(folder / "backbone.safetensors", FrozenBackbone(network, config, "random", half, half / 2))
    return folder


def probe(output, backbone, data, config=CONFIG):
    dense_probe.run(config, output, backbone=backbone, runtime=RuntimeConfig(threads=2), **data)
    with np.load(output / REPLICATES, allow_pickle=False) as stored:
        replicates = dict(stored)
    rows = json.loads((output / "rows.json").read_text())
    return {(row["task"], row["metric"]): row for row in rows}, replicates


@pytest.mark.parametrize(
    ("given", "measured", "pictures"),
    [
        (("segmentation",), SEGMENTATION, {"labels", "pca"}),
        (("detection",), DETECTION, {"pca", "attention", "discovery"}),
        (
            ("segmentation", "detection"),
            SEGMENTATION + DETECTION,
            {"labels", "pca", "attention", "discovery"},
        ),
        ((), [], set()),
    ],
)
def test_every_probe_that_the_data_allow(tmp_path, backbone, data, given, measured, pictures):
    rows, replicates = probe(tmp_path, backbone, {name: data[name] for name in given})
    assert list(rows) == measured
    assert set(replicates) == {replicates_key(*key) for key in measured}
    for row in rows.values():
        assert 0 <= row["value"] <= 1
        assert row["dataset"].startswith("photo-scenes")
        assert row["split"] == "test"
        assert row["num_images"] in ((9,) if row["metric"] == "miou" else range(1, 10))
    assert {path.stem for path in tmp_path.glob("*.png")} == pictures
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.size[1] > 3 * 160  # a row of panels for each of three images


@pytest.mark.parametrize("kind", ["swin", "resnet"])
def test_a_base_without_cls_attention_has_every_other_probe(jt, tmp_path, data, capsys, kind):
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone
    from tests.pipeline.models.backbones.small_base import base_config, build

    config, half = base_config(kind, image_size=16, patch_size=1), np.full(3, 0.5, np.float32)
    stored = FrozenBackbone(build(config), config, "random", half, half)
    save_backbone(tmp_path / "backbone.safetensors", stored)
    rows, _ = probe(tmp_path, tmp_path, data)  # at 24 pixels: maps of 3 x 3
    assert list(rows) == SEGMENTATION + DETECTION[1:]
    assert "in place of keys" in rows["lost", "corloc"]["protocol"]
    assert "no CLS token that attends" in capsys.readouterr().out
    assert not (tmp_path / "attention.png").exists()
    assert (tmp_path / "discovery.png").exists()


def test_twice_the_same_to_the_last_bit(tmp_path, backbone, data):
    """T26: the same seed and threads give the same numbers."""
    first, second = (probe(tmp_path / name, backbone, data) for name in ("first", "second"))
    assert first[0] == second[0]
    for key, values in first[1].items():
        np.testing.assert_array_equal(values, second[1][key])


def test_a_label_map_data_set_has_no_objects_to_probe(tmp_path, backbone, data):
    with pytest.raises(ValueError, match="objects"):
        probe(tmp_path, backbone, {"detection": data["segmentation"]})


def test_an_image_that_patches_do_not_divide_is_refused(tmp_path, backbone, data):
    config = CONFIG.model_copy(update={"image_size": 25})
    with pytest.raises(ValueError, match="25 x 25 px is not divisible into patches of 6 px"):
        probe(tmp_path, backbone, data, config)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("segmentation/camvid", "segmentation"),
        ("segmentation/voc-mini", "segmentation"),
        ("detection/coco-mini", "detection"),
        ("detection/nuclei-coco", "detection"),
        ("detection/bccd-voc", "detection"),
    ],
)
@pytest.mark.slow
def test_real_data_of_every_kind(tmp_path, backbone, sample_data, folder, kind):
    prepare(DataConfig(source=str(sample_data / folder)), tmp_path / "data", num_workers=1)
    rows, _ = probe(tmp_path / "probes", backbone, {kind: tmp_path / "data"})
    assert list(rows) == (SEGMENTATION if kind == "segmentation" else DETECTION)
