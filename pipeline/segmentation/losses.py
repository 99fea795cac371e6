"""Cross-entropy over labelled pixels."""

import jittor as jt
import numpy as np

from pipeline import kernels
from pipeline.datasets.targets import IGNORED
from pipeline.models.resize import resize
from pipeline.ranks.whole_batch import mean_count


def pixel_cross_entropy(logits: jt.Var, label_maps: np.ndarray) -> jt.Var:
    """Mean over the labelled pixels of -log softmax(logits)[label], at the labels' resolution.

    If ranks share the batch, the labelled pixels of all ranks are counted.

    Args:
        logits: (B, K, h, w); resized bilinearly to the label maps.
        label_maps: (B, H, W) integers in 0..K-1, or IGNORED.

    Returns:
        (1,) float32, in nats; 0, with zero gradients, if every pixel is ignored.

    Source: mmsegmentation's decode heads. Deviation: there the sum is divided by the number of all pixels, so
        that a batch with few labels weighs less.
    """
    height, width = label_maps.shape[1:]
    logits = resize(logits, (height, width))
    num_labelled = mean_count(np.count_nonzero(label_maps != IGNORED))
    return kernels.pixel_cross_entropy(logits, jt.array(label_maps.astype(np.int32)), num_labelled or 1)
