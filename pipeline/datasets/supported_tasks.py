"""Checks that a format has the annotations that the tasks of a further data set need."""

from pipeline.config.evaluate import KINDS, EvaluateSection, kind_needed
from pipeline.datasets.catalog import LABEL_MAPS, OBJECTS, PHOTO_SCENES, detect


def check_supported(section: EvaluateSection, format_name: str) -> None:
    """Refuse a task for which the images of a format lack annotations.

    Args:
        format_name: as set or as detected; "auto" is accepted, since it says nothing yet.

    Raises:
        ValueError: names the data set, the task, what it needs, and what the format has.
    """
    if format_name in ("auto", PHOTO_SCENES):
        return
    kind = "label-map" if format_name in LABEL_MAPS else "objects" if format_name in OBJECTS else "class"
    for task in section.tasks:
        if task != "features" and kind_needed(task) != kind:
            raise ValueError(
                f"evaluate {section.name}: {task} needs {KINDS[kind_needed(task)]}, and the format "
                f"{format_name} has {KINDS[kind]}"
            )


def check_found(section: EvaluateSection) -> None:
    """The same for the format detected at the source.

    Raises:
        FileNotFoundError: the source does not exist.
        ValueError: also if the source is in no known format, or in several.
    """
    check_supported(section, detect(section.prepared_data()))
