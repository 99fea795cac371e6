"""Further data sets on which every backbone of an experiment is evaluated."""

from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from pipeline.config.data import DataConfig
from pipeline.config.linear_augmented import LINEAR_AUGMENTED
from pipeline.config.section import PositiveInt, Section, distinct
from pipeline.config.stages import FeaturesConfig
from pipeline.evaluate.probes.settings import PROBES

PURPOSES = ("images", "finetune", "segmentation", "detection")  # of an experiment's own prepared images
FEW_SHOT = "few-shot"
OF_FEATURES = ("features", *PROBES, LINEAR_AUGMENTED, FEW_SHOT)
# Task -> the section of the experiment with its settings.
SECTIONS_OF = {
    LINEAR_AUGMENTED: "linear_augmented",
    "finetune": "finetune",
    "segment": "segmentation",
    "detect": "detection",
}
TASKS = tuple(dict.fromkeys((*OF_FEATURES, *SECTIONS_OF)))
KINDS = {"class": "a class of every image", "label-map": "label maps", "objects": "objects"}
_DRAWINGS = {"class": "patches", "label-map": "mosaics", "objects": "objects"}  # of photo-scenes


class EvaluateSection(Section):
    """One further data set: every arm's backbone is evaluated on it, as on the experiment's own images."""

    # In the tables' column of data sets, in names of tasks and of files.
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")
    # "features" computes the features alone. The settings of a task are those of its section.
    tasks: tuple[str, ...] = ("knn", "linear")
    resize: PositiveInt | None = None  # pixels, of its features; None: `features.resize`
    crop_size: PositiveInt | None = None  # likewise; None: `features.crop_size`
    data: DataConfig

    @field_validator("tasks")
    @classmethod
    def _known(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [task for task in tasks if task not in TASKS]
        if unknown:
            raise ValueError(f"unknown tasks {unknown}; choose from {list(TASKS)}")
        return distinct(tasks)

    @model_validator(mode="after")
    def _data_serve_the_tasks(self) -> "EvaluateSection":
        kinds = {kind_needed(task): task for task in reversed(self.tasks) if task != "features"}
        if len(kinds) > 1:
            told = " and ".join(f"{task} needs {KINDS[kind]}" for kind, task in sorted(kinds.items()))
            raise ValueError(f"{self.name}: {told}: give each an [[evaluate]] of its own")
        for kind, task in kinds.items():
            stated, drawing = self.data.annotation, self.data.photo_scenes.drawing
            if stated not in ("any", kind):
                raise ValueError(
                    f'{self.name}: {task} needs {KINDS[kind]}, and data.annotation is "{stated}"'
                )
            if self.data.source == "photo-scenes" and drawing != _DRAWINGS[kind]:
                raise ValueError(
                    f"{self.name}: {task} needs {KINDS[kind]}: expected data.photo_scenes.drawing = "
                    f'"{_DRAWINGS[kind]}", found "{drawing}"'
                )
        return self

    @model_validator(mode="after")
    def _few_shots_have_one_class(self) -> "EvaluateSection":
        if FEW_SHOT in self.tasks and (self.data.labels == "several" or self.data.label_separator):
            raise ValueError(f"{self.name}: few-shot takes images of one class each, not of several")
        return self

    @model_validator(mode="after")
    def _backbones_norm_images(self) -> "EvaluateSection":
        # Of channels that are no RGB, the data section states it by itself.
        if "normalization" in self.data.model_fields_set and self.data.channels is None:
            raise ValueError(
                f"{self.name}: data.normalization: images are normed by the mean and deviation that each "
                "backbone was trained with; leave it out"
            )
        return self

    def prepared_data(self) -> DataConfig:
        """The data section, with the annotation that the tasks need, so that preparing any other fails."""
        dense = {kind_needed(task) for task in self.tasks} - {"class"}
        if dense:
            return self.data.model_copy(update={"annotation": dense.pop()})
        return self.data.model_copy(update={"labels": "one"}) if FEW_SHOT in self.tasks else self.data

    def reads_features(self) -> bool:
        """Whether a task needs frozen features of these images."""
        return any(task in OF_FEATURES for task in self.tasks)

    def features_of(self, features: FeaturesConfig) -> FeaturesConfig:
        """The experiment's settings of features, with this section's own sizes in their place."""
        sizes = {"resize": self.resize, "crop_size": self.crop_size}
        given = {name: size for name, size in sizes.items() if size is not None}
        return features.model_copy(update=given) if given else features

    def check_sizes(self, features: FeaturesConfig, stride: int) -> None:
        """Refuse sizes that the backbone cannot take.

        Args:
            features: the experiment's own.
            stride: pixels between neighbouring positions of the backbone's last map.

        Raises:
            ValueError: the crop is not divisible by the stride, or is larger than the resized image.
        """
        own = self.features_of(features)
        if own.crop_size % stride:
            raise ValueError(
                f"evaluate {self.name}: crop_size {own.crop_size} is not divisible by {stride}, the pixels "
                "between positions of the backbone's last map"
            )
        if own.resize < own.crop_size:
            raise ValueError(
                f"evaluate {self.name}: resize {own.resize} must be at least crop_size {own.crop_size}"
            )


def kind_needed(task: str) -> str:
    """The annotation that a task needs: "class", "label-map" or "objects"."""
    return {"segment": "label-map", "detect": "objects"}.get(task, "class")


def check_evaluations(
    evaluations: Sequence[EvaluateSection],
    arms: Collection[str],
    absent: Collection[str],
    sources: Collection[str],
) -> None:
    """Refuse names that are taken, and tasks whose section the experiment lacks.

    Args:
        arms: the experiment's.
        absent: sections that the experiment does not have.
        sources: the names by which tables call the experiment's own images.

    Raises:
        ValueError: a name is given twice, is taken by the experiment's own images, or would give two runs
            one name; or a section is missing.
    """
    names, paths = [each.name for each in evaluations], [Path(source).name for source in sources]
    own = {part for path in paths for part in (path, path.split(".")[0])}
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"evaluate: the name {name!r} is given twice; give each data set its own")
        if name in (*PURPOSES, *own):
            raise ValueError(f"evaluate: own images are called {name!r}; give the data set another name")
    runs = [*arms, *(f"{name}-{arm}" for name in names for arm in arms)]  # as tasks and links are named
    twice = next((run for run in runs if runs.count(run) > 1), None)
    if twice:
        raise ValueError(f"evaluate: two runs would be called {twice!r}; give the data set another name")
    for each in evaluations:
        for task in each.tasks:
            if SECTIONS_OF.get(task) in absent:
                raise ValueError(
                    f"evaluate {each.name}: {task} is done as [{SECTIONS_OF[task]}] says, and the experiment "
                    "has no such section"
                )
