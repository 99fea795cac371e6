"""What identifies a run of a stage: its fields, and the name that is made from them here alone."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunKey:
    """Identifies a run among those of its stage; a field that does not apply is None."""

    data: str | None = None  # what prepared images are for: images, finetune, segmentation or detection
    run: str | None = None  # of a dense task, e.g. "uper-finetuned"
    share: float | None = None  # of the training labels; None: all of them
    arm: str | None = None
    study: str | None = None  # whose schedule the arm is trained by; None: the experiment's
    head: str | None = None  # variant or candidate of the arm's auxiliary head; None: the experiment's
    seed: int | None = None

    @property
    def name(self) -> str:
        """Of its task and its links: "hssl-seed0"; empty where nothing applies."""
        return "-".join([*self._parts(), *([] if self.seed is None else [f"seed{self.seed}"])])

    @property
    def words(self) -> str:
        """For a list of tasks: "hssl, seed 0"."""
        parts = "-".join(self._parts())
        return ", ".join(filter(None, [parts, "" if self.seed is None else f"seed {self.seed}"]))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the fields that apply. `RunKey(**key.as_dict()) == key`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def _parts(self) -> list[str]:
        share = None if self.share is None else f"{100 * self.share:g}pct"
        arm = ".".join(filter(None, (self.arm, self.study, self.head)))
        return [part for part in (self.data, self.run, share, arm) if part]


@dataclass(frozen=True)
class Run:
    """A run whose artifact a table is made from."""

    stage: str
    key: RunKey
    directory: Path  # of its artifact
