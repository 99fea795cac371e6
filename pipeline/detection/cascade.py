"""Cascade Mask R-CNN: a backbone, a pyramid, proposals, and a head of boxes and of masks for each stage.

Shapes: B images, C channels of the pyramid, N anchors of an image, K classes.
"""

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.config.dense import DetectHeadConfig
from pipeline.detection.fpn import Fpn
from pipeline.detection.levels import Levels
from pipeline.detection.proposals import proposals
from pipeline.detection.roi_align import RoiAlign
from pipeline.detection.roi_heads import BoxHead, MaskHead
from pipeline.detection.rpn import Rpn
from pipeline.detection.sizes import NUM_ROI_LEVELS, STAGES
from pipeline.models.dense_backbone import DenseBackbone
from pipeline.models.initialization import initialize_head
from pipeline.models.pyramid import tap_pyramid


class CascadeHeads(nn.Module):
    """All parts of the network after the backbone's feature maps."""

    def __init__(self, config: DetectHeadConfig, backbone: DenseBackbone, num_classes: int, *, masks: bool):
        super().__init__()
        self.pyramid = tap_pyramid(backbone.dims, backbone.strides)
        strides = list(self.pyramid.strides)
        self.fpn = Fpn(backbone.dims, config.width, config.num_levels)
        strides += [2 * strides[-1]] * (config.num_levels - len(strides))
        self.rpn = Rpn(config, strides)
        self.boxes = nn.ModuleList([BoxHead(config, num_classes) for _ in range(config.stages)])
        num_masks = 0 if not masks else config.stages if config.mask_heads == "each" else 1
        self.masks = nn.ModuleList([MaskHead(config, num_classes) for _ in range(num_masks)])


class CascadeMaskRcnn(nn.Module):
    """A backbone with the heads of Cascade Mask R-CNN; with one stage, Mask R-CNN.

    `pipeline.detection.training` computes its losses, `pipeline.detection.inference` its detections.

    Args:
        num_classes: K, without the background.
        masks: whether to predict masks; if not, there are no mask heads.
        seed: seed of the heads' initial weights.

    Source: Cascade R-CNN (Cai, Vasconcelos 2018) and Mask R-CNN (He et al. 2017), as configured in iBOT's
        detection. Deviation: RoIAlign takes a fixed number of samples.
    """

    def __init__(
        self, backbone: DenseBackbone, config: DetectHeadConfig, num_classes: int, *, masks: bool, seed: int
    ):
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.stages = STAGES[: config.stages]
        self.backbone = backbone
        self.heads = CascadeHeads(config, backbone, num_classes, masks=masks)
        initialize_head(self.heads, seed)

    @property
    def multiple(self) -> int:
        """Pixels; images are padded to multiples of this, so that all levels cover the same pixels."""
        return round(self.heads.pyramid.strides[-1])

    def levels(self, images: jt.Var, drop_path_scales: jt.Var | None = None) -> Levels:
        """images (B, 3, H, W) -> levels, fine to coarse."""
        return self.heads.fpn(self.heads.pyramid(self.backbone(images, drop_path_scales)))

    def proposals(
        self, outputs: np.ndarray, levels: Levels, sizes: np.ndarray, *, training: bool
    ) -> list[np.ndarray]:
        """Proposals (n, 4) of each image.

        Args:
            outputs: (R A, 5) of the proposal network.
            sizes: (B, 2): height and width of each image without padding.
        """
        config, anchors = self.config, self.heads.rpn.anchors(levels)
        num_per_level, num_proposals = (
            (config.num_proposals_per_level, config.num_proposals)
            if training
            else (config.num_test_proposals_per_level, config.num_test_proposals)
        )
        return proposals(
            outputs,
            self.heads.rpn.places(levels),
            anchors,
            sizes,
            num_per_level=num_per_level,
            num_proposals=num_proposals,
        )

    def roi_align(self, levels: Levels) -> RoiAlign:
        """Pools features of boxes from these levels."""
        return RoiAlign(levels, self.heads.rpn.strides[:NUM_ROI_LEVELS], self.config.finest_scale)

    def mask_heads(self, stage: int) -> list[MaskHead]:
        """The mask heads that a stage trains: its own or none; the last stage trains a shared one."""
        if self.config.mask_heads == "each" or not len(self.heads.masks):
            return list(self.heads.masks)[stage : stage + 1]
        return list(self.heads.masks) if stage + 1 == len(self.stages) else []
