"""Reads the data of a probe of frozen features, or says why it cannot be trained."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.label_subset import LabelSubset, read_subset
from pipeline.evaluate.feature_files import SplitFeatures, read_features
from pipeline.evaluate.multilabel.data import has_classes, why_no_scores
from pipeline.measures.classification_rows import why_not, write_no_outcome
from pipeline.measures.labelled_images import LabelledImages


@dataclass(frozen=True, eq=False)
class ProbeData:
    """Labelled features of one backbone on one data set."""

    class_names: list[str]
    subset: LabelSubset  # of the training images
    train: SplitFeatures  # of the subset only
    val: SplitFeatures | None  # None: no labelled images
    test: SplitFeatures
    test_images: LabelledImages

    @property
    def is_multilabel(self) -> bool:
        """Whether an image has any number of classes; labels are then (n, K) of 0 and 1."""
        return self.train.labels.ndim == 2


def open_probe(
    features: Path,
    output: Path,
    *,
    labels: Path | None = None,
    needs_val: bool = False,
    one_class_for: str | None = None,
) -> ProbeData | None:
    """Read what the stage `features` wrote; if no probe can be trained, write why into `output`, return None.

    Args:
        labels: artifact of the subset of training images to learn from; None: all of them.
        needs_val: whether the probe needs labelled validation images.
        one_class_for: name of the probe, if it needs one class per image.

    Raises:
        FileNotFoundError: a file of features or subset is missing.
        ValueError: a file is not as expected; the message names it.
    """
    stored = read_features(features)
    splits = ("train", "val", "test") if needs_val else ("train", "test")
    several = stored.is_multilabel
    reason = (why_no_scores if several else why_not)(stored.dataset, stored.labels(*splits))
    if not reason and several and one_class_for:
        reason = f"no {one_class_for} of {stored.dataset}: needs one class of each image"
    if reason:
        write_no_outcome(output, reason)
        return None
    subset = read_subset(labels)
    return ProbeData(
        class_names=stored.class_names,
        subset=subset,
        train=stored.train.only(subset.chosen(stored.train.index)),
        val=None if several and not has_classes(stored.val) else stored.val,
        test=stored.test,
        test_images=stored.test_images(),
    )
