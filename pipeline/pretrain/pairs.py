"""Which student rows are compared with which teacher rows, and with what weight.

Rows are views times images: row v * B + b is view v of image b. V global views come first, then L local ones;
the teacher has rows only for global views. K prototypes.
"""

from dataclasses import dataclass

import jittor as jt
import numpy as np

from pipeline import kernels


@dataclass(frozen=True)
class Pairs:
    """Student and teacher rows that a cross-entropy compares, and the weight of each pair."""

    student_rows: np.ndarray  # (P,) int32, ascending
    teacher_rows: np.ndarray  # (P,) int32
    weights: np.ndarray  # (P,) float32


def cls_pairs(num_global: int, num_views: int, num_images: int) -> Pairs:
    """Every view with every other global view of the same image; the weights sum to 1.

    Source: HSSL L_het and L_aux (the mean over q in globals, v in all views, v != q), as DINO.
    """
    views = [(v, q) for v in range(num_views) for q in range(num_global) if v != q]
    image = np.arange(num_images)
    student = np.concatenate([v * num_images + image for v, _ in views])
    teacher = np.concatenate([q * num_images + image for _, q in views])
    order = np.argsort(student, kind="stable")
    weights = np.full(len(student), 1 / len(student), np.float32)
    return Pairs(student[order].astype(np.int32), teacher[order].astype(np.int32), weights)


@dataclass(frozen=True)
class MaskedPatches:
    """The patches of a masked-image loss, padded to one of a few lengths."""

    rows: np.ndarray  # (P,) int32 into (V * B * N) patch tokens, padding at the end
    weights: np.ndarray  # (P,) float32, 0 for padding


def masked_patches(masks: np.ndarray) -> MaskedPatches:
    """Rows and weights of the hidden patches.

    Each crop weighs 1 / (V B), shared equally by its hidden patches; a crop without any adds 0. The number of
    rows is padded to a multiple of a sixteenth of all patches, so that kernels see few shapes.

    Args:
        masks: (V, B, h, w) bool.

    Source: HSSL L_mim, iBOT: sum_i m_i CE_i / max(sum_i m_i, 1), mean over crops.
    """
    flat = masks.reshape(masks.shape[0] * masks.shape[1], -1)
    hidden = np.flatnonzero(flat)
    per_crop = flat.sum(axis=1)
    weights = 1 / (np.maximum(per_crop, 1)[hidden // flat.shape[1]] * len(flat))
    unit = max(16, -(-flat.size // 16))
    padding = -len(hidden) % unit if len(hidden) else unit
    return MaskedPatches(
        rows=np.concatenate([hidden, np.zeros(padding, np.int64)]).astype(np.int32),
        weights=np.concatenate([weights, np.zeros(padding)]).astype(np.float32),
    )


def cross_entropy(
    student_vectors: jt.Var, prototypes: jt.Var, teacher_probs: jt.Var, pairs: Pairs, temperature: float
) -> jt.Var:
    """sum_p w_p H(teacher_probs[t_p], softmax(prototypes student_vectors[s_p] / temperature)), in nats, (1,).

    Args:
        student_vectors: (M, C) float32.
        prototypes: (K, C) float32.
        teacher_probs: (T, K) float32, without gradient.
        pairs: rows of both and weights.
    """
    rows = pairs.student_rows, pairs.teacher_rows, pairs.weights
    return kernels.prototype_cross_entropy(student_vectors, prototypes, teacher_probs, *rows, temperature)
