import numpy as np
import pytest

from pipeline.config.dense import DetectHeadConfig
from tests.level_maps import levels_of


def named(network):
    return dict(network.named_parameters())


def test_one_stage_is_mask_rcnn(jt, small_detector):
    network = small_detector(stages=1)
    assert [stage.iou for stage in network.stages] == [0.5]
    assert len(network.heads.boxes) == len(network.heads.masks) == 1


def test_mask_heads_of_the_stages(jt, small_detector):
    each, last = small_detector(mask_heads="each"), small_detector(mask_heads="last")
    assert [len(each.mask_heads(stage)) for stage in range(3)] == [1, 1, 1]
    assert each.mask_heads(1)[0] is each.heads.masks[1]
    assert [len(last.mask_heads(stage)) for stage in range(3)] == [0, 0, 1]
    without = small_detector(masks=False)
    assert [len(without.mask_heads(stage)) for stage in range(3)] == [0, 0, 0]
    assert not any(".masks." in name for name in named(without))


def test_first_values_follow_the_seed(jt, small_detector):
    first, second, other = (named(small_detector(seed=seed)) for seed in (1, 1, 2))
    name = "heads.boxes.1.hidden.0.weight"
    assert np.array_equal(first[name].numpy(), second[name].numpy())
    assert not np.array_equal(first[name].numpy(), other[name].numpy())
    assert not np.array_equal(first[name].numpy(), first["heads.boxes.0.hidden.0.weight"].numpy())


def test_boxes_are_pooled_where_they_are(jt, small_detector):
    """A box of an object's size reads the level of that size, at that place of that image."""
    network = small_detector()
    levels = [jt.zeros((2, 16, 64 // stride, 64 // stride)) for stride in (4, 8, 16, 32)]
    marked = np.zeros((2, 16, 8, 8), np.float32)
    marked[1, :, 2, 5] = 1.0  # x = 5.5 * 8, y = 2.5 * 8
    levels[1] = jt.array(marked)
    boxes = np.array([[26, 2, 62, 38], [26, 2, 62, 38], [40, 16, 48, 24]], np.float32)  # 36 px: second level
    pooled = network.roi_align(levels_of(levels))(boxes, np.array([1, 0, 1]), 7).numpy()
    assert pooled[0].sum() > 0
    assert not pooled[1:].any(), "another image; a box of 8 px is pooled from the finest level"


@pytest.mark.slow
def test_t32_the_paper_sizes_build_and_run(jt, rng):
    """T32: iBOT's heads on ViT-S/16, one forward pass at a reduced image size."""
    from pipeline.config.backbone import BackboneConfig
    from pipeline.detection.cascade import CascadeMaskRcnn
    from pipeline.detection.inference import detect
    from pipeline.models.dense_backbone import DenseBackbone
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    vit = VisionTransformer(BackboneConfig(size="small", image_size=224, patch_size=16))
    initialize(vit, seed=0)
    config = DetectHeadConfig(num_test_proposals=20, score_threshold=0.0, max_detections=5)
    network = CascadeMaskRcnn(
        DenseBackbone(vit, tap_norm=config.tap_norm, frozen=False), config, 80, masks=True, seed=0
    )
    network.eval()
    levels = network.levels(jt.array(rng.normal(size=(1, 3, 160, 224)).astype(np.float32)))
    assert levels.sizes == tuple((-(-160 // stride), -(-224 // stride)) for stride in (4, 8, 16, 32, 64))
    num_positions = sum(height * width for height, width in levels.sizes)
    assert levels.table.shape == [num_positions, 256]
    assert network.heads.rpn(levels).shape == [3 * num_positions, 5]
    found = detect(network, rng.normal(size=(1, 3, 160, 224)).astype(np.float32), np.array([[150, 200]]))[0]
    assert (found.boxes.shape, found.masks.shape) == ((5, 4), (5, 28, 28))
    assert found.boxes.max() <= 200
    # Faster R-CNN's and Mask R-CNN's layers, counted: K = 80, 7 x 7 bins, 256 channels.
    box_head = 4 * (256 * 256 * 9 + 2 * 256) + (256 * 49 + 1) * 1024 + 1025 * (81 + 4 * 80)
    mask_head = 4 * (256 * 256 * 9 + 256) + 4 * 256 * 256 + 256 + 257 * 80
    trained = [
        (name, int(np.prod(value.shape)))
        for name, value in network.named_parameters()
        if not name.rpartition(".")[2].startswith("running")
    ]
    assert sum(n for name, n in trained if name.startswith("heads.boxes.")) == 3 * box_head
    assert sum(n for name, n in trained if name.startswith("heads.masks.")) == 3 * mask_head
