"""What a method's forward pass over one microbatch returns."""

from dataclasses import dataclass, field, replace

import jittor as jt

from pipeline.ranks.exchange import Ranks
from pipeline.training.losses import Losses


@dataclass(frozen=True)
class TeacherOutput:
    """Of the teacher, or of the network itself where there is none, on a microbatch; no gradient."""

    features: jt.Var  # (rows, D) global vectors of the base
    cls_probs: jt.Var | None = None  # (rows, K) over prototypes, of methods that have any

    def of_all(self, ranks: Ranks) -> "TeacherOutput":
        """With the rows of all ranks' microbatches."""
        probs = None if self.cls_probs is None else ranks.all_gather(self.cls_probs)
        return TeacherOutput(ranks.all_gather(self.features), probs)


@dataclass(frozen=True)
class MethodOutput:
    """The losses of one microbatch, and what else the step needs of it."""

    losses: Losses
    teacher_output: TeacherOutput
    batch_means: dict[str, jt.Var] = field(default_factory=dict)  # that the method's own state moves by
    metrics: dict[str, jt.Var] = field(default_factory=dict)  # for the log, each (1,), no gradient

    @property
    def total(self) -> jt.Var:
        """What is minimised, (1,)."""
        return self.losses.total

    def detached(self) -> "MethodOutput":
        """The same numbers without their graph."""
        return replace(self, losses=self.losses.detached())
