"""Detectors as onnxruntime runs them, beside this project's own detections."""

import re

import numpy as np
import pytest

from pipeline.config.dense import DetectConfig, DetectHeadConfig, DetectViewConfig, FinetuneSchedule
from pipeline.export.detector_comparison import compared_detector, detections_of_onnx
from pipeline.export.error import ExportError
from pipeline.export.formats import MODEL_FORMATS
from pipeline.export.model_description import TunedModel
from tests.pipeline.export.test_layouts import config_of
from tests.pipeline.export.test_models import CLASSES, PATCHES_OF_8, drawn

SMALL = {
    "width": 16, "anchor_scale": 4.0, "finest_scale": 14.0, "num_levels": 5, "box_convs": 1, "box_fcs": 1,
    "box_hidden_dim": 24, "mask_convs": 1, "num_test_proposals_per_level": 60, "num_test_proposals": 40,
    "max_detections": 30, "score_threshold": 0.1,
}  # fmt: skip
VIEW = DetectViewConfig(short_sides=(56,), test_short_side=56, max_long_side=64)
CASES = {
    "cascade": ("vit", PATCHES_OF_8, {"tap_norm": True}, True),
    "Mask R-CNN": ("vit", {}, {"stages": 1, "class_agnostic": False, "num_levels": 4}, True),
    "classes of their own, boxes alone": ("resnet", {}, {"class_agnostic": False, "box_convs": 0}, False),
    "odd levels, one mask head": ("convnext", {}, {"mask_heads": "last", "box_fcs": 2}, True),
    "windows": ("swin", {"window_size": 3}, {"tap_norm": True}, True),
}


@pytest.fixture
def detector(jt, rng, tmp_path):
    """Makes a random network, and writes it."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from pipeline.detection.cascade import CascadeMaskRcnn
    from pipeline.models.backbones import build_backbone
    from pipeline.models.dense_backbone import DenseBackbone
    from pipeline.models.weights import assign_arrays

    def made(kind, changes, heads, masks):
        architecture = config_of(kind, **changes)
        heads = DetectHeadConfig(**SMALL | heads)
        taps = DenseBackbone(build_backbone(architecture), tap_norm=heads.tap_norm, frozen=False)
        network = CascadeMaskRcnn(taps, heads, len(CLASSES), masks=masks, seed=0)
        arrays = drawn(network, rng)
        assign_arrays(network, arrays, "a test")
        network.eval()
        size = -(-64 // network.multiple) * network.multiple
        mean, std = np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32)
        config = DetectConfig(
            frozen=False, heads=heads, view=VIEW, schedule=FinetuneSchedule(), seed=0, num_bootstrap=9,
            num_pictures=0,
        )  # fmt: skip
        model = TunedModel(
            "toy", "detect", architecture, config, arrays, CLASSES, mean, std, size, network.multiple
        )
        MODEL_FORMATS["onnx"].write(model, tmp_path)
        return network, model

    return made


def scenes(rng, size):
    """Three padded images, and their sizes: wide, high, and the whole square."""
    sizes = np.array([(40, size), (size, 50), (size, size)])
    images = np.zeros((3, 3, size, size), np.float32)
    for image, (height, width) in zip(images, sizes, strict=True):
        image[:, :height, :width] = rng.normal(size=(3, height, width))
    return images, sizes


def detected(network, images, sizes):
    from pipeline.detection.inference import detect

    pairs = zip(images, sizes, strict=True)
    return [detect(network, image[None], size[None])[0] for image, size in pairs]


@pytest.mark.parametrize("case", CASES)
def test_detections(detector, rng, tmp_path, case):
    network, model = detector(*CASES[case])
    images, sizes = scenes(rng, model.size)
    ours = detected(network, images, sizes)
    assert sum(len(found.boxes) for found in ours) > 20
    line = compared_detector(tmp_path, images, sizes, ours)
    print(line)
    same, total = map(int, re.search(r"(\d+) of (\d+) detections", line).groups())
    assert same == total
    for mine, theirs in zip(ours, detections_of_onnx(tmp_path / "model.onnx", images, sizes), strict=True):
        assert theirs.classes.tolist() == mine.classes.tolist()  # in the same order
        assert (theirs.masks is None) == (mine.masks is None)


def test_nothing_found(detector, rng, tmp_path):
    _, model = detector(*CASES["cascade"][:2], {"score_threshold": 0.99999}, True)
    images, sizes = scenes(rng, model.size)
    sizes[0] = 0  # nor any proposal
    for found in detections_of_onnx(tmp_path / "model.onnx", images, sizes):
        assert found.boxes.shape == (0, 4)
        assert found.masks.shape == (0, 28, 28)


def test_another_result_is_an_error(detector, rng, tmp_path):
    network, model = detector(*CASES["cascade"])
    images, sizes = scenes(rng, model.size)
    ours = detected(network, images, sizes)
    for found in ours:
        found.scores[0] += 0.01
    with pytest.raises(ExportError, match=r"detections the same.*fewer than 99%, so nothing is written"):
        compared_detector(tmp_path, images, sizes, ours)


def test_boxes_of_equal_scores_stay_as_here(rng, jt):
    """Which of equal scores comes first is promised by ranks; also where whole groups are empty."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from pipeline.detection.nms import nms
    from pipeline.export.onnx.boxes import non_maximum_suppression, ranks, solid
    from pipeline.export.onnx.graph import Graph

    low = rng.integers(0, 8, (60, 2))
    boxes = np.concatenate([low, low + rng.integers(0, 6, (60, 2))], axis=1).astype(np.float32)
    scores = rng.integers(0, 3, 60).astype(np.float32)
    graph = Graph({})
    takes_part = graph.add("And", solid(graph, "boxes"), graph.add("Greater", "scores", graph.number(0)))
    ranked = ranks(graph, "scores", takes_part)
    one = graph.add("Unsqueeze", "boxes", graph.integers(0))
    _, kept = non_maximum_suppression(graph, one, graph.add("Unsqueeze", ranked, graph.integers(0)), 0.4, 20)
    graph.add("Identity", kept, output="kept")
    properties, number = {}, onnx.TensorProto.INT64
    inputs = {"boxes": (60, 4), "scores": (60,)}
    content = graph.model(8, {"kept": ("k",)}, properties, inputs=inputs, types={"kept": number})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    images = np.zeros((1, 3, 8, 8), np.float32)
    (found,) = session.run(None, {"images": images, "boxes": boxes, "scores": scores})
    rows = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (scores > 0))
    expected = rows[nms(boxes[rows], scores[rows], 0.4)[:20]]
    assert len(expected) > 5
    assert found.tolist() == expected.tolist()
