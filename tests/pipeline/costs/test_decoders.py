"""Decoders as PyTorch counts them, written from their papers' figures in its own layers."""

import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import DetectHeadConfig, SegmentHeadConfig
from pipeline.costs.decoders import detection_multiplications, segmentation_multiplications
from tests.pipeline.costs.torch_counter import counted

SIDE, CLASSES = 128, 7
BASES = {
    "vit": BackboneConfig(
        size="custom", image_size=SIDE, patch_size=16, embed_dim=24, depth=4, num_heads=3
    ),
    "swin": BackboneConfig(
        kind="swin", size="custom", image_size=SIDE, embed_dim=8, depths=(1, 1, 1, 1), num_heads=1
    ),
}  # fmt: skip


class Torch:
    """Layers that are made where they are used, for one pass."""

    def __init__(self, kind: str):
        self.torch = pytest.importorskip(
            "torch", reason="the optional `parity` extra (PyTorch) is not installed"
        )
        self.nn, self.kind = self.torch.nn, kind

    def conv(self, x, width, side):
        return self.nn.Conv2d(x.shape[1], width, side, padding=side // 2)(x)

    def doubled(self, x):
        return self.nn.ConvTranspose2d(x.shape[1], x.shape[1], 2, stride=2)(x)

    def levels(self):
        if self.kind == "swin":
            return [self.torch.zeros(1, 8 * 2**i, SIDE // (4 * 2**i), SIDE // (4 * 2**i)) for i in range(4)]
        taps = [self.torch.zeros(1, 24, SIDE // 16, SIDE // 16) for _ in range(4)]
        halved = self.nn.functional.max_pool2d(taps[3], 2)
        return [self.doubled(self.doubled(taps[0])), self.doubled(taps[1]), taps[2], halved]


def fused_over(torch, maps, size):
    return torch.cat([torch.nn.functional.interpolate(x, size=size) for x in maps], dim=1)


@pytest.mark.parametrize("kind", BASES)
def test_upernet(kind):
    made, heads = Torch(kind), SegmentHeadConfig(width=12, auxiliary_width=5)

    def run():
        *finer, coarsest = levels = made.levels()
        pools = [made.nn.AdaptiveAvgPool2d(size)(coarsest) for size in (1, 2, 3, 6)]
        pooled = [coarsest, *[made.conv(x, 12, 1) for x in pools]]
        top = made.conv(fused_over(made.torch, pooled, coarsest.shape[2:]), 12, 3)
        smooth = [made.conv(made.conv(x, 12, 1), 12, 3) for x in finer]
        fused = fused_over(made.torch, [*smooth, top], finer[0].shape[2:])
        made.conv(made.conv(fused, 12, 3), CLASSES, 1)
        made.conv(made.conv(levels[2], 5, 3), CLASSES, 1)

    found = segmentation_multiplications(heads, "uper", BASES[kind], SIDE**2, num_classes=CLASSES)
    assert 2 * found == counted(run)


def test_the_linear_head():
    """8 x 8 places of four maps of 24 channels, to 7 classes."""
    found = segmentation_multiplications(
        SegmentHeadConfig(), "linear", BASES["vit"], SIDE**2, num_classes=CLASSES
    )
    assert found == 64 * 4 * 24 * 7


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("each", ["each", "last"])
def test_cascade(kind, each):
    made = Torch(kind)
    heads = DetectHeadConfig(
        width=12, box_convs=1, box_fcs=2, box_hidden_dim=20, mask_convs=2, mask_heads=each
    )

    def boxes():
        x = made.conv(made.torch.zeros(6, 12, 7, 7), 12, 3).flatten(1)
        for width in (20, 20):
            x = made.nn.Linear(x.shape[1], width)(x)
        made.nn.Linear(20, CLASSES + 1)(x)
        made.nn.Linear(20, 4 * CLASSES)(x)

    def masks():
        x = made.torch.zeros(2, 12, 14, 14)
        made.doubled(made.conv(made.conv(x, 12, 3), 12, 3))

    def run():
        smooth = [made.conv(made.conv(x, 12, 1), 12, 3) for x in made.levels()]
        for x in [*smooth, smooth[-1][:, :, ::2, ::2]]:
            made.conv(made.conv(x, 12, 3), 5 * 3, 1)
        for stage in range(3):
            boxes()
            if each == "each" or stage == 2:
                masks()

    found = detection_multiplications(
        heads, BASES[kind], SIDE**2, num_classes=CLASSES, num_boxes=6, num_masks=2
    )
    assert 2 * found == counted(run)
