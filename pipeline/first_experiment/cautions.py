"""Lines of `init` about prepared images: their channels, and what is too little for clear results."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

CAUTION = "caution:"  # start of a line that must not be overlooked
_FEW_TEST_IMAGES, _FEW_DENSE_TEST_IMAGES = 400, 100
_FEW_OF_A_CLASS = 10  # training images or objects
_MOST_NAMES = 5
_NORMAL_95 = 1.96  # standard deviations to either side that hold 95 % of a normal distribution


def cautions(summary: Mapping[str, Any]) -> list[str]:
    """The lines for the user.

    Args:
        summary: summary.json of the prepared images.
    """
    doubts = [_no_labels(summary), _few_test_images(summary), _rare_classes(summary)]
    return [_channels(summary), *_masks(summary), *filter(None, doubts)]


def _channels(summary: Mapping[str, Any]) -> str:
    mean, std = summary["mean"], summary["std"]
    if "channels" in summary:
        return f"channels: {len(mean)}, of numbers as they are in the files"
    if len({*mean}) == len({*std}) == 1:
        return "channels: grey of 8 bits, read as three equal ones"
    return "channels: red, green and blue of 8 bits"


def _masks(summary: Mapping[str, Any]) -> list[str]:
    if summary["annotation"] != "objects":
        return []
    return [f"masks: of {summary['num_masks']} of {sum(summary['num_objects'].values())} objects"]


def _no_labels(summary: Mapping[str, Any]) -> str:
    if summary["annotation"] != "class" or summary["class_names"]:
        return ""
    return (
        f"{CAUTION} no labels: backbones are pretrained and pictured, and nothing is scored. For scores, put "
        "the images of each class into a folder of its own, or list files and labels in a .csv beside them"
    )


def _few_test_images(summary: Mapping[str, Any]) -> str:
    """The width of a test's interval."""
    count = summary["counts"].get("test", 0)
    if summary["annotation"] != "class":
        return f"{CAUTION} only {count} test images: intervals will be wide" * (
            count < _FEW_DENSE_TEST_IMAGES
        )
    if not summary["class_names"] or count >= _FEW_TEST_IMAGES:
        return ""
    if not count:
        return f"{CAUTION} no test images: nothing can be scored"
    width = 100 * _NORMAL_95 * sqrt(0.25 / count)  # for an accuracy of one half, where it is largest
    return (
        f"{CAUTION} only {count} test images: the 95 % interval of an accuracy reaches up to {width:.0f} "
        "points to either side"
    )


def _rare_classes(summary: Mapping[str, Any]) -> str:
    """Classes with few images or objects; label maps count pixels, of which few say nothing."""
    if summary["annotation"] == "label-map":
        return ""
    counts = summary["class_counts"].get("train", [])
    rare = sorted(
        (count, name)
        for name, count in zip(summary["class_names"], counts, strict=True)
        if count < _FEW_OF_A_CLASS
    )
    if not rare:
        return ""
    shown = ", ".join(f"{name} ({count})" for count, name in rare[:_MOST_NAMES])
    more = f" and {len(rare) - _MOST_NAMES} more" if len(rare) > _MOST_NAMES else ""
    unit = "objects" if summary["annotation"] == "objects" else "images"
    return f"{CAUTION} fewer than {_FEW_OF_A_CLASS} training {unit} of class {shown}{more}"
