"""Cross-entropy over labelled pixels."""

import jittor as jt
import numpy as np

from pipeline.datasets.targets import IGNORED
from pipeline.models.resize import resize
from pipeline.ranks.whole_batch import mean_count


def pixel_cross_entropy(logits: jt.Var, label_maps: np.ndarray) -> jt.Var:
    """Mean over the labelled pixels of -log softmax(logits)[label], at the labels' resolution.

    Of a batch that ranks share, those of all ranks are counted.

    Args:
        logits: (B, K, h, w); resized bilinearly to the label maps.
        label_maps: (B, H, W) integers in 0..K-1, or IGNORED.

    Returns:
        (1,) float32, in nats; 0, with zero gradients, if every pixel is ignored.

    Source: mmsegmentation's decode heads. Deviation: there the sum is divided by all pixels, so that a
        batch of few labels weighs less.
    """
    height, width = label_maps.shape[1:]
    logits = resize(logits, (height, width))
    # The largest logit cancels out of the loss, and so would its gradient.
    shifted = logits - logits.max(dim=1, keepdims=True).stop_grad()
    labels = jt.array(label_maps.astype(np.int32))
    classes = jt.array(np.arange(logits.shape[1], dtype=np.int32).reshape(1, -1, 1, 1))
    chosen = (shifted * (labels.unsqueeze(1) == classes).float32()).sum(dim=1)
    losses = (jt.log(jt.exp(shifted).sum(dim=1)) - chosen) * (labels != IGNORED).float32()
    num_labelled = mean_count(np.count_nonzero(label_maps != IGNORED))
    # Row by row: one sum over millions of pixels would lose digits.
    return losses.sum(dim=2).sum(dim=1).sum() / (num_labelled or 1)
