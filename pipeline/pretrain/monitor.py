"""Is training healthy? Loss terms, teacher entropy, feature spread, and collapse said in words."""

import math

import numpy as np

from pipeline.pretrain.terms import Answers, Terms

_EDGE = 0.01  # share of ln K within which an entropy counts as 0 or as ln K


def loss_values(terms: Terms) -> dict[str, float]:
    """The loss and its terms as numbers."""
    named = {"loss": terms.total, **{f"loss_{name}": value for name, value in terms.parts.items()}}
    return {name: float(value.item()) for name, value in named.items()}


def check_finite(step: int, losses: dict[str, float]) -> None:
    """Stop on a loss that is not a number.

    Raises:
        FloatingPointError: names the step and every term.
    """
    bad = {name: value for name, value in losses.items() if not math.isfinite(value)}
    if bad:
        raise FloatingPointError(f"step {step}: non-finite loss terms {bad}; all terms: {losses}")


def teacher_statistics(answers: Answers) -> dict[str, float]:
    """How varied the teacher's answers are.

    Returns, the entropies for methods with prototypes only:
        teacher_entropy: mean entropy of one image's distribution, in nats, 0..ln K.
        prototype_entropy: entropy of the mean distribution over the batch, 0..ln K; 0 means that every
            image falls to one prototype.
        feature_spread: standard deviation over the batch of the unit CLS vectors, times sqrt(D): 0 means
            that all images have one vector, 1 that they fill the sphere evenly.
    """
    entropies = {}
    if answers.cls_probs is not None:
        probs = answers.cls_probs.numpy().astype(np.float64)
        entropies = {
            "teacher_entropy": float(_entropy(probs).mean()),
            "prototype_entropy": float(_entropy(probs.mean(axis=0))),
        }
    features = answers.features.numpy().astype(np.float64)
    units = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return {**entropies, "feature_spread": float(np.sqrt(units.var(axis=0).sum()))}


def same_features(statistics: dict[str, float]) -> str | None:
    """Collapse of any method, in words: all images have one feature vector."""
    if statistics["feature_spread"] < 1e-3:
        return "collapsed: every image has the same feature vector (feature spread 0)"
    return None


def collapse(statistics: dict[str, float], num_prototypes: int) -> str | None:
    """What went wrong over prototypes, in words, or None while the teacher's answers vary."""
    most = math.log(num_prototypes)
    if same := same_features(statistics):
        return same
    if statistics["prototype_entropy"] < _EDGE * most:
        return "collapsed: every image falls to one prototype (prototype entropy 0)"
    if statistics["teacher_entropy"] > (1 - _EDGE) * most:
        return f"flat: the teacher prefers no prototype (teacher entropy at ln K = {most:.2f})"
    return None


def _entropy(probs: np.ndarray) -> np.ndarray:
    return -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1)
