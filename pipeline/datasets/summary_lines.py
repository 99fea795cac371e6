"""Lines for the user about what was prepared and what is doubtful."""

from pathlib import Path

from pipeline.datasets.multilabel import described as label_sets_line

_MANY_VALUES, _RARE, _MOST = 16, 0.002, 0.75  # values of label maps; of the pixels; of the values
_CLASSES_SHOWN = 5


def described(summary: dict, folder: Path = Path()) -> list[str]:
    """The lines printed after preparing into `folder`."""
    counts = ", ".join(
        f"{summary['counts'][split]} {split}{f' ({words})' if words != split else ''}"
        for split, words in summary["split_names"].items()
    )
    named = "" if summary["name"].startswith(f"{summary['format']} (") else f" ({summary['format']})"
    lines = [f"{summary['name']}{named}: {counts}; {len(summary['class_names'])} classes"]
    if summary["annotation"] == "label-map":
        lines.append(_pixels_line(summary))
        if total := summary["num_all_ignored"]:
            lines.append(f"caution: {total} of {summary['num_images']} label maps hold ignored pixels alone")
        lines += _interpolated(summary)
    elif summary["annotation"] == "objects":
        lines.append(_objects_line(summary))
        num_objects, num_masks = sum(summary["num_objects"].values()), summary["num_masks"]
        if 0 < num_masks < num_objects:
            lines.append(f"caution: {num_masks} of {num_objects} objects have a mask, the others a box alone")
        lines += _object_doubts(summary)
    if "label_sets" in summary:
        lines.append(label_sets_line(summary))
    lines += summary["notes"]
    if summary["flat_channels"]:
        floor = (
            "their values minus the mean are not divided"
            if "channels" in summary
            else 'with normalization = "dataset", one grey level counts as a standard deviation there'
        )
        flat = ", ".join(summary["flat_channels"])
        lines.append(f"caution: the training images do not vary in {flat}; {floor}")
    if summary["num_quarantined"]:
        quarantine = folder / "quarantine.csv"
        lines.append(f"left out: {summary['num_quarantined']} images that cannot be used, see {quarantine}")
    if summary["num_unused"]:
        lines.append(
            f"left out: {summary['num_unused']} images of parts that have no labels or are stated as unused"
        )
    if summary["num_outside_splits"]:
        lines.append(
            f"left out: {summary['num_outside_splits']} images beside the split folders or stated as unused"
        )
    if leaked := summary["duplicates"]["test_in_train"]:
        lines.append(f"caution: {leaked} test images are also training images (equal contents)")
    return lines


def _pixels_line(summary: dict) -> str:
    ignored = sum(summary["num_ignored_pixels"].values())
    totals = _class_totals(summary)
    everything = max(ignored + sum(totals.values()), 1)
    shown = [f"{name} {total / everything:.1%}" for name, total in list(totals.items())[:_CLASSES_SHOWN]]
    shares = f"{', '.join(shown)}{', ...' * (len(totals) > len(shown))}"
    return f"pixels: {shares}; ignored {ignored / everything:.1%}"


def _interpolated(summary: dict) -> list[str]:
    """A line where numbers between the classes suggest that label maps were resized with interpolation."""
    names = summary["class_names"]
    if names != [str(number) for number in range(len(names))]:
        return []
    totals = [total for total in _class_totals(summary).values() if total]
    rare = sum(total < _RARE * sum(totals) for total in totals)
    if len(totals) < _MANY_VALUES or rare < _MOST * len(totals):
        return []
    return [
        f"caution: {rare} of the {len(totals)} values in the label maps have fewer than {_RARE:.1%} of the "
        "pixels each: were the label maps resized as pictures are? Values between classes are none"
    ]


def _objects_line(summary: dict) -> str:
    totals = {name: total for name, total in _class_totals(summary).items() if total}
    shown = [f"{name} {total}" for name, total in list(totals.items())[:_CLASSES_SHOWN]]
    words = ", ".join(f"{summary['num_objects'][split]} {split}" for split in summary["split_names"])
    line = f"objects: {words}; {', '.join(shown)}{', ...' * (len(totals) > len(shown))}"
    for key, what in (("num_crowds", "crowds"), ("num_without_objects", "images without objects")):
        if total := sum(summary[key].values()):
            line += f"; {what}: {total}"
    return line


def _object_doubts(summary: dict) -> list[str]:
    """A line for each kind of object that deviates from its annotation, with the first of them."""
    lines = []
    for key, what in (
        ("dropped_boxes", "left out: {} objects whose box has no area"),
        ("empty_masks", "caution: {} objects whose mask covers no pixel"),
        ("missing_areas", "areas: {} objects have none or an impossible one, and get their mask's or box's"),
        ("stray_masks", "caution: {} objects whose mask lies elsewhere than their box"),
        ("cut_boxes", "caution: {} boxes reach beyond their image and are cut"),
        ("corner_boxes", "caution: {} boxes lie within the first pixel of their image"),
        (
            "repeats",
            "caution: {} objects have class, box and mask of another, so that one at most can be found",
        ),
    ):
        if total := summary[f"num_{key}"]:
            names = summary[f"first_{key}"]
            more = ", ..." if total > len(names) else ""
            lines.append(f"{what.format(total)}: {', '.join(names)}{more}")
    num_objects, num_crowds = summary["num_objects"], summary["num_crowds"]
    if alone := [split for split in num_objects if 0 < num_objects[split] == num_crowds[split]]:
        lines.append(f"caution: all objects of the parts {', '.join(alone)} are crowds")
    crowds = [sum(counts) for counts in zip(*summary["crowd_counts"].values(), strict=True)]
    totals = _class_totals(summary)
    named = zip(summary["class_names"], crowds, strict=True)
    if only := [name for name, total in named if 0 < total == totals[name]]:
        lines.append(
            f"caution: every object of {', '.join(only)} is a crowd, which is neither trained on nor scored; "
            'some programs write masks with parts or holes so: data.crowds = "objects" takes them as objects'
        )
    return lines


def _class_totals(summary: dict) -> dict[str, int]:
    """Pixels or objects of every class over all splits, the most frequent class first."""
    totals = [sum(counts) for counts in zip(*summary["class_counts"].values(), strict=True)]
    named = zip(summary["class_names"], totals, strict=True)
    return dict(sorted(named, key=lambda item: -item[1]))
