"""Teacher entropy, feature spread, and warnings of collapse."""

import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline.pretrain.entropy import entropies

if TYPE_CHECKING:  # the report reads logs without Jittor
    from pipeline.pretrain.outputs import TeacherOutput

_EDGE = 0.01  # relative to ln K: an entropy this close to 0 or to ln K counts as equal


def teacher_statistics(teacher_output: "TeacherOutput") -> dict[str, float]:
    """Measure how varied the teacher's outputs are.

    Returns, the entropies for methods with prototypes only:
        teacher_entropy: mean entropy of one image's distribution, in nats, 0..ln K.
        prototype_entropy: entropy of the mean distribution over the batch, 0..ln K; 0 means that every
            image is assigned to one prototype.
        feature_spread: standard deviation over the batch of the unit CLS vectors, times sqrt(D): 0 means
            that all images have one vector, 1 that they are spread evenly over the sphere.
    """
    values = {}
    if teacher_output.cls_probs is not None:
        probs = teacher_output.cls_probs.numpy().astype(np.float64)
        values = {
            "teacher_entropy": float(entropies(probs).mean()),
            "prototype_entropy": float(entropies(probs.mean(axis=0))),
        }
    features = teacher_output.features.numpy().astype(np.float64)
    units = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return {**values, "feature_spread": float(np.sqrt(units.var(axis=0).sum()))}


def same_features(statistics: dict[str, float]) -> str | None:
    """A warning if all images have the same feature vector, for any method; else None."""
    if statistics["feature_spread"] < 1e-3:
        return "collapsed: every image has the same feature vector (feature spread 0)"
    return None


def collapse(statistics: dict[str, float], num_prototypes: int) -> str | None:
    """A warning if the distributions over prototypes collapsed or are flat; else None."""
    most = math.log(num_prototypes)
    if same := same_features(statistics):
        return same
    if statistics["prototype_entropy"] < _EDGE * most:
        return "collapsed: every image falls to one prototype (prototype entropy 0)"
    if statistics["teacher_entropy"] > (1 - _EDGE) * most:
        return f"flat: the teacher prefers no prototype (teacher entropy at ln K = {most:.2f})"
    return None
