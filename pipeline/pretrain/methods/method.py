"""What a method of self-supervised learning gives to the training step, which knows none of them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import jittor as jt

from pipeline.config.stages import PretrainConfig
from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.monitor import same_features
from pipeline.pretrain.paths import Paths
from pipeline.pretrain.terms import PartOutcome

Memory = dict[str, jt.Var]  # a method's own state beside networks and optimiser; empty for most


@dataclass(frozen=True)
class Networks:
    """What trains, and its moving average.

    A parameter of the teacher follows the student's of the same name. The student may have more: what is
    trained but teaches nothing, as a predictor.
    """

    student: EncodingNetwork
    teacher: EncodingNetwork | None


class Method(ABC):
    """Base of the methods; what has a default here is what most of them do.

    Class attributes:
        published: which network is the result, by the habit of the method's authors.
    """

    published: Literal["teacher", "student"] = "student"

    def __init__(self, config: PretrainConfig):
        self.config = config

    @abstractmethod
    def networks(self) -> Networks:
        """Fresh networks with first values."""

    @abstractmethod
    def part(
        self, networks: Networks, memory: Memory, batch: Batch, paths: Paths, rates: Rates
    ) -> PartOutcome:
        """The loss on one part of a batch, differentiable in the student's parameters."""

    def memory(self) -> Memory:
        """The method's own state before the first step."""
        return {}

    def updated_memory(self, memory: Memory, heard: dict[str, jt.Var]) -> Memory:
        """That state after a step; `heard` is the mean over the batch's parts."""
        return memory

    def frozen(self, name: str, student: EncodingNetwork, rates: Rates) -> bool:
        """Whether a parameter of the student stays as it is in this step.

        Without masked input, a mask token has nothing to learn.
        """
        return name == "backbone.mask_token"

    def warning(self, metrics: dict[str, float]) -> str | None:
        """What went wrong with the training, in words, or None."""
        return same_features(metrics)
