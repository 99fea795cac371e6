"""Numbers of the detector that no setting changes: the network here and its export share them."""

BOX_BINS, MASK_BINS = 7, 14  # per side, of what is pooled from a box
MASK_SIZE = 2 * MASK_BINS  # cells per side of a predicted mask
NUM_ROI_LEVELS = 4  # boxes are pooled from these; a fifth level is for proposals only
RPN_OUTPUTS = 5  # of each anchor: objectness, dx, dy, dw, dh
RPN_NMS_IOU = 0.7  # above it the weaker of two proposals is dropped
