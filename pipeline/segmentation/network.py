"""A backbone with one of the decoders: images -> logits of every pixel."""

from pathlib import Path

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.config.dense import SegmentConfig
from pipeline.models.backbone_file import FrozenBackbone
from pipeline.models.dense_backbone import DenseBackbone, open_dense_backbone, padded_to_multiple
from pipeline.models.initialization import initialize_head
from pipeline.models.pyramid import tap_pyramid
from pipeline.models.resize import resize
from pipeline.models.segmentation_heads import AuxiliaryHead, LinearHead, UperHead
from pipeline.segmentation.batches import SegmentBatch
from pipeline.segmentation.losses import pixel_cross_entropy

_AUXILIARY_LEVEL = 2  # of the pyramid, usually the one of stride 16


class SegmentationNetwork(nn.Module):
    """A backbone with a freshly initialised head, over a feature pyramid for "uper".

    Args:
        num_classes: K.
    """

    def __init__(self, backbone: DenseBackbone, config: SegmentConfig, num_classes: int):
        super().__init__()
        self.backbone = backbone
        self.auxiliary_weight = 0.0
        self.dropout_widths: tuple[int, ...] = ()  # of the heads that take channel scales
        self.multiple = backbone.stride  # in pixels; images are padded to multiples of it
        self.pyramid = self.auxiliary = None
        channels = backbone.dims
        if config.head == "linear":
            self.head = LinearHead(channels, num_classes)
        else:
            heads = config.heads
            self.pyramid = tap_pyramid(backbone.dims, backbone.strides)
            self.multiple = round(self.pyramid.strides[-1])  # so that all levels cover the same pixels
            self.head = UperHead(channels, heads.width, num_classes)
            self.dropout_widths = (heads.width,)
            if heads.auxiliary_weight:
                self.auxiliary_weight = heads.auxiliary_weight
                self.auxiliary = AuxiliaryHead(channels[_AUXILIARY_LEVEL], heads.auxiliary_width, num_classes)
                self.dropout_widths = (heads.width, heads.auxiliary_width)
        for part in (self.pyramid, self.head, self.auxiliary):
            if part is not None:
                initialize_head(part, config.seed)

    def losses(self, batch: SegmentBatch, drop_path_scales: jt.Var | None) -> dict[str, jt.Var]:
        """Weighted cross-entropies of the head and the auxiliary head, (1,) each, in nats.

        Args:
            drop_path_scales: stochastic depth of the backbone, (depth, 2, B) or None.
        """
        maps = self._maps(jt.array(batch.images), drop_path_scales)
        scales = [jt.array(scale) for scale in batch.channel_scales]
        logits = self.head(maps, *scales[:1])
        terms = {"loss_head": pixel_cross_entropy(logits, batch.label_maps)}
        if self.auxiliary is not None:
            logits = self.auxiliary(maps[_AUXILIARY_LEVEL], scales[1])
            loss = pixel_cross_entropy(logits, batch.label_maps)
            terms["loss_auxiliary"] = self.auxiliary_weight * loss
        return terms

    def logits_of(self, images: np.ndarray) -> np.ndarray:
        """Logits (B, K, H, W) of normalised images (B, 3, H, W), float32, of any size.

        Images are padded with 0 on the right and at the bottom, and the logits cropped.
        """
        height, width = images.shape[2:]
        with jt.no_grad():
            padded = padded_to_multiple(jt.array(images), self.multiple)
            logits = resize(self.head(self._maps(padded, None)), tuple(padded.shape[2:]))
            return logits.numpy()[:, :, :height, :width]

    def _maps(self, images: jt.Var, drop_path_scales: jt.Var | None) -> list[jt.Var]:
        """(B, D_i, h_i, w_i) each, fine to coarse."""
        maps = self.backbone(images, drop_path_scales)
        if self.pyramid is not None:
            maps = self.pyramid(maps)
        return [x.permute(0, 3, 1, 2) for x in maps]


def open_network(
    path: Path, config: SegmentConfig, num_classes: int
) -> tuple[SegmentationNetwork, FrozenBackbone]:
    """Build the network on the backbone in a file, and return both.

    Raises:
        WeightsError: see `open_dense_backbone`.
    """
    backbone, stored = open_dense_backbone(path, tap_norm=config.heads.tap_norm, frozen=config.frozen)
    return SegmentationNetwork(backbone, config, num_classes), stored
