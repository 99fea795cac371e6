"""Constants of the detector, shared by its network, its export and the benchmark."""

from dataclasses import dataclass

BOX_BINS, MASK_BINS = 7, 14  # per side, pooled from a box
MASK_SIZE = 2 * MASK_BINS  # cells per side of a predicted mask
NUM_ROI_LEVELS = 4  # boxes are pooled from these; a fifth level is for proposals only
RPN_OUTPUTS = 5  # of each anchor: objectness, dx, dy, dw, dh
RPN_NMS_IOU = 0.7  # of two proposals that overlap by more, the one with the lower score is dropped
RPN_STDS = (1.0, 1.0, 1.0, 1.0)  # of the proposals' deltas
RPN_BETA = 1 / 9  # of their smooth L1 loss: the difference at which it turns from quadratic to linear
GIOU_WEIGHT = 10.0  # of the loss of a stage's boxes


@dataclass(frozen=True)
class Stage:
    """The settings of a stage of the cascade."""

    iou: float  # overlap with a ground-truth box from which on a box is positive
    weight: float  # of its losses
    stds: tuple[float, float, float, float]  # of its deltas


# Source: Cascade R-CNN (Cai, Vasconcelos 2018) as configured in iBOT's detection.
STAGES = (
    Stage(0.5, 1.0, (0.1, 0.1, 0.2, 0.2)),
    Stage(0.6, 0.5, (0.05, 0.05, 0.1, 0.1)),
    Stage(0.7, 0.25, (0.033, 0.033, 0.067, 0.067)),
)
