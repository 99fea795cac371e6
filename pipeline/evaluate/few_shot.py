"""Classification from a few training images per class, by frozen features.

Shapes: n labelled training images, m of them drawn, t test images, D channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.config.few_shot import FewShotConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.knn import classify
from pipeline.evaluate.logistic import fit_logistic
from pipeline.evaluate.probe_data import ProbeData
from pipeline.measures.draws import DrawnMeasure


def measure_few_shot(
    config: FewShotConfig,
    data: ProbeData,
    runtime: RuntimeConfig,
    report: Callable[[], None] = lambda: None,
) -> list[DrawnMeasure]:
    """Measure the accuracy of each method with each number of shots for which every class has enough images.

    Every draw has a fixed seed, so that all arms get the same images. There are no validation images to
    choose on, since the few labels are all that is given: k is the number of shots, C is a setting.

    Args:
        report: called after each fit.
    """
    test, measures = np.asarray(data.test.last_cls), []
    for method in config.methods:
        for shots in (shots for shots in config.shots if too_few(data, shots) is None):
            correct, unfinished = [], 0
            for draw in range(config.draws):
                rows = drawn_positions(data.train.labels, shots, draw)
                train = data.train.last_cls[rows], data.train.labels[rows]
                found = _METHODS[method](config, shots, train, test, runtime)
                correct.append(found.classes == data.test.labels)
                unfinished += not found.converged
                report()
            protocol = (
                f"{found.description}, {shots} training images of each class ({len(rows)} images), mean of "
                f"{config.draws} draws"
            )
            if unfinished:
                protocol += f", {unfinished} not converged in {config.max_iterations} iterations"
            measures.append(DrawnMeasure(f"{method}-{shots}-shot", np.stack(correct), protocol))
    return measures


def too_few(data: ProbeData, shots: int) -> str | None:
    """Why so many images cannot be drawn; None if every class has enough."""
    classes, counts = np.unique(data.train.labels, return_counts=True)
    lacking = np.flatnonzero(counts < shots)
    if not lacking.size:
        return None
    fewest = int(counts.argmin())
    return (
        f"no {shots}-shot classification: {lacking.size} of {classes.size} classes have fewer labelled "
        f"training images (the fewest: {data.class_names[classes[fewest]]}, {counts[fewest]})"
    )


def drawn_positions(labels: np.ndarray, shots: int, draw: int) -> np.ndarray:
    """Draw `shots` images of each class; more shots of the same draw include those of fewer.

    Args:
        labels: (n,) int64; at least `shots` of each class.

    Returns:
        (m,) int64 positions in `labels`, ascending.
    """
    shuffled = np.random.default_rng(draw).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.unique(labels, return_counts=True)[1]
    place_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[place_in_class < shots])


Train = tuple[np.ndarray, np.ndarray]  # features (m, D) and classes (m,)


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Predictions of one fit for the test images."""

    classes: np.ndarray  # (t,) int64
    description: str  # the method, for the protocol
    converged: bool = True


def _neighbours(
    config: FewShotConfig, shots: int, train: Train, test: np.ndarray, runtime: RuntimeConfig
) -> _Predictions:
    (voted,) = classify(
        test, *train, ks=(shots,), temperature=config.temperature, num_threads=runtime.num_threads
    )
    return _Predictions(voted.classes, f"k-NN, cosine, T={config.temperature:g}, k={shots}")


def _regression(
    config: FewShotConfig, shots: int, train: Train, test: np.ndarray, runtime: RuntimeConfig
) -> _Predictions:
    fitted = fit_logistic(
        train,
        None,
        inverse_strengths=(config.inverse_strength,),
        max_iterations=config.max_iterations,
        num_threads=runtime.num_threads,
    )
    description = f"logistic regression, standardised CLS, C={config.inverse_strength:g}"
    return _Predictions(fitted.predict(test), description, fitted.converged)


_METHODS = {"knn": _neighbours, "logistic": _regression}
