"""Fine-tuned networks as other programs compute them; each is skipped where it is not installed."""

import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import FinetuneSchedule, SegmentConfig, SegmentHeadConfig, SegmentViewConfig
from pipeline.config.finetune import ClassificationViewConfig, FinetuneConfig
from pipeline.export import model_comparison
from pipeline.export.error import ExportError
from pipeline.export.formats import MODEL_FORMATS
from pipeline.export.model_description import TunedModel
from tests.pipeline.export.test_layouts import KINDS, config_of

PROGRAMS = {"torch": "torch", "onnx": "onnxruntime"}
CLASSES = ["cat", "dog", "sky"]
PATCHES_OF_8 = {"image_size": 32, "patch_size": 8, "embed_dim": 12, "depth": 3, "num_heads": 3}


def segment_config(head, crop_size, tap_norm):
    view = SegmentViewConfig(crop_size=crop_size, resize=(crop_size, 4 * crop_size), stride=crop_size)
    heads = SegmentHeadConfig(width=16, auxiliary_width=8, tap_norm=tap_norm)
    return SegmentConfig(
        head=head, frozen=False, heads=heads, view=view, schedule=FinetuneSchedule(), seed=0,
        num_bootstrap=9, num_pictures=0,
    )  # fmt: skip


def drawn(network, rng):
    """Numbers for every array, variances above 0; as small as a trained network's, so that sums are too."""
    arrays = {}
    for name, parameter in network.named_parameters():
        shape = tuple(parameter.shape)
        array = rng.normal(scale=np.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.5, size=shape)
        arrays[name] = (np.abs(array) + 0.5 if name.endswith("running_var") else array).astype(np.float32)
    return arrays


def tuned(task, network, architecture, config, size, rng):
    from pipeline.models.weights import assign_arrays

    arrays = drawn(network, rng)
    assign_arrays(network, arrays, "a test")
    network.eval()
    mean, std = np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32)
    multiple = network.multiple if task == "segment" else 1
    return TunedModel("toy", task, architecture, config, arrays, CLASSES, mean, std, size, multiple)


def line_of(form, model, compute, folder, rng):
    pytest.importorskip(PROGRAMS[form])
    if needs := MODEL_FORMATS[form].needs:
        pytest.importorskip(needs)
    images = rng.normal(size=(3, 3, model.size, model.size)).astype(np.float32)
    MODEL_FORMATS[form].write(model, folder)
    line = model_comparison.compared_model(form, folder, model, images, compute(images))
    print(line)
    return line


@pytest.mark.parametrize("form", PROGRAMS)
@pytest.mark.parametrize("pooling", ["patches", "cls"])
@pytest.mark.parametrize("kind", KINDS)
def test_classifiers(jt, rng, tmp_path, kind, pooling, form):
    from pipeline.classification.network import Classifier
    from pipeline.models.backbones import build_backbone

    architecture = config_of(kind)
    size = architecture.image_size
    network = Classifier(build_backbone(architecture), len(CLASSES), pooling=pooling, seed=0)
    view = ClassificationViewConfig(image_size=size, resize=size)
    model = tuned(
        "classify", network, architecture, FinetuneConfig(view=view, pooling=pooling, seed=0), size, rng
    )
    assert "largest difference" in line_of(form, model, network.logits, tmp_path, rng)


@pytest.mark.parametrize("form", PROGRAMS)
@pytest.mark.parametrize(
    ("kind", "changes", "head", "size", "tap_norm"),
    [
        ("vit", {}, "linear", 20, True),  # positions of another size, and sides that are padded
        ("vit", {}, "uper", 32, False),
        ("vit", {"register_tokens": 3}, "linear", 32, True),
        ("vit", PATCHES_OF_8, "uper", 40, True),  # enlarged, and a padded last row
        ("vit", PATCHES_OF_8 | {"image_size": 64, "patch_size": 16}, "uper", 64, True),  # enlarged twice
        ("swin", {"window_size": 3}, "uper", 64, True),  # windows that do not divide the map
        ("convnext", {}, "uper", 64, True),
        ("resnet", {}, "linear", 64, True),
    ],
)
def test_segmenters(jt, rng, tmp_path, kind, changes, head, size, tap_norm, form):
    from pipeline.models.backbones import build_backbone
    from pipeline.models.dense_backbone import DenseBackbone
    from pipeline.segmentation.network import SegmentationNetwork

    architecture = config_of(kind, **changes)
    config = segment_config(head, size, tap_norm)
    taps = DenseBackbone(build_backbone(architecture), tap_norm=tap_norm, frozen=False)
    network = SegmentationNetwork(taps, config, len(CLASSES))
    model = tuned("segment", network, architecture, config, size, rng)
    assert "largest difference" in line_of(form, model, network.logits_of, tmp_path, rng)


def test_another_result_is_an_error(jt, rng, tmp_path):
    from pipeline.classification.network import Classifier
    from pipeline.models.backbones import build_backbone

    architecture = BackboneConfig(size="custom", **KINDS["vit"])
    network = Classifier(build_backbone(architecture), len(CLASSES), pooling="cls", seed=0)
    view = ClassificationViewConfig(image_size=16, resize=16)
    model = tuned(
        "classify", network, architecture, FinetuneConfig(view=view, pooling="cls", seed=0), 16, rng
    )
    with pytest.raises(ExportError, match=r"more than 0\.0001, so nothing is written"):
        line_of("onnx", model, lambda images: network.logits(images) + np.float32(2e-4), tmp_path, rng)
