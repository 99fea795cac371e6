"""The result of a method's forward pass over one microbatch."""

from dataclasses import dataclass, field, replace

import jittor as jt

from pipeline.ranks.exchange import Ranks
from pipeline.training.losses import Losses


@dataclass(frozen=True)
class TeacherOutput:
    """Output of the teacher, or of the network itself if there is none, for a microbatch; no gradient."""

    features: jt.Var  # (rows, D) global vectors of the base
    cls_probs: jt.Var | None = None  # (rows, K) over prototypes, if the method has any

    def gathered(self, ranks: Ranks) -> "TeacherOutput":
        """The rows of all ranks' microbatches."""
        probs = None if self.cls_probs is None else ranks.all_gather(self.cls_probs)
        return TeacherOutput(ranks.all_gather(self.features), probs)


@dataclass(frozen=True)
class MethodOutput:
    """The losses of one microbatch, and the other results that a step needs."""

    losses: Losses
    teacher_output: TeacherOutput
    batch_means: dict[str, jt.Var] = field(default_factory=dict)  # for the update of the method's own state
    metrics: dict[str, jt.Var] = field(default_factory=dict)  # for the log, each (1,), no gradient

    @property
    def total(self) -> jt.Var:
        """The loss to minimise, (1,)."""
        return self.losses.total

    def detached(self) -> "MethodOutput":
        """The same values without their graph."""
        return replace(self, losses=self.losses.detached())
