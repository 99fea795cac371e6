"""The fields that identify a run of a stage, and the run's name, which is built here only."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

# The fields that commands take as options, to select one run of a stage.
OPTIONS = ("run", "arm", "seed", "data")


@dataclass(frozen=True)
class RunKey:
    """Identifies a run among those of its stage; fields that do not apply are None."""

    # Of prepared images: their use (images, finetune, segmentation, detection, or an [[evaluate]]'s name).
    # Of any other run: the name of the [[evaluate]] that it is part of; None: the experiment's own data.
    data: str | None = None
    run: str | None = None  # of a dense task, e.g. "uper-finetuned"
    share: float | None = None  # of the training labels; None: all of them
    arm: str | None = None
    study: str | None = None  # the study whose schedule trains the arm; None: the experiment's schedule
    head: str | None = None  # variant or candidate of the arm's auxiliary head; None: the experiment's
    seed: int | None = None

    @property
    def name(self) -> str:
        """Name of the run in tasks and links, such as "hssl-seed0"; empty if no field applies."""
        return "-".join([*self._parts(), *([] if self.seed is None else [f"seed{self.seed}"])])

    @property
    def description(self) -> str:
        """The run as lists of tasks show it, such as "hssl, seed 0"."""
        parts = "-".join(self._parts())
        return ", ".join(filter(None, [parts, "" if self.seed is None else f"seed {self.seed}"]))

    def as_dict(self) -> dict[str, Any]:
        """The fields that are not None, for JSON: `RunKey(**key.as_dict()) == key`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def _parts(self) -> list[str]:
        share = None if self.share is None else f"{100 * self.share:g}pct"
        arm = ".".join(filter(None, (self.arm, self.study, self.head)))
        return [part for part in (self.data, self.run, share, arm) if part]


@dataclass(frozen=True)
class Run:
    """A run, with the directory of its artifact."""

    stage: str
    key: RunKey
    directory: Path  # of its artifact
