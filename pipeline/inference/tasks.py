"""The tasks of fine-tuned networks: name on the command line -> what trains its models."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One task."""

    stage: str  # that trains its models
    section: str  # of an experiment, which requests them
    file: str  # of a model, in the stage's artifact


TASKS: dict[str, Task] = {
    "segment": Task("segment", "segmentation", "model.safetensors"),
    "detect": Task("detect", "detection", "model.safetensors"),
    "classify": Task("finetune", "finetune", "classifier.safetensors"),
}
