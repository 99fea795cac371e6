"""What a method of self-supervised learning gives to the training step, which depends on none of them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Literal

import jittor as jt

from pipeline.config.stages import PretrainConfig
from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.collapse import same_features
from pipeline.pretrain.drop_path_masks import DropPathMasks
from pipeline.pretrain.methods.settings import METHODS
from pipeline.pretrain.outputs import MethodOutput

MethodState = dict[str, jt.Var]  # a method's own state beside networks and optimiser; empty for most


@dataclass(frozen=True)
class Networks:
    """The student, which trains, and its moving average.

    A parameter of the teacher follows the student's of the same name. The student may have more: what is
    trained but teaches nothing, as a predictor.
    """

    student: EncodingNetwork
    teacher: EncodingNetwork | None


@dataclass(frozen=True)
class MethodInput:
    """What the losses of one microbatch are computed from, beside the networks."""

    state: MethodState
    batch: Batch
    drop_path: DropPathMasks
    rates: Rates


class Method(ABC):
    """Base of the methods; what has a default here is what most of them do.

    Class attributes:
        published: which network the method's authors evaluate.
    """

    published: Literal["teacher", "student"] = "student"

    def __init__(self, config: PretrainConfig):
        self.config = config

    @abstractmethod
    def networks(self) -> Networks:
        """Fresh networks with initial values."""

    @abstractmethod
    def forward(self, networks: Networks, inputs: MethodInput) -> MethodOutput:
        """The losses of one microbatch, differentiable in the student's parameters."""

    def initial_state(self) -> MethodState:
        """The method's own state before the first step."""
        return {}

    def updated_state(self, method_state: MethodState, batch_means: dict[str, jt.Var]) -> MethodState:
        """That state after a step; `batch_means` are over the whole batch."""
        return method_state

    def shared_terms(self) -> dict[str, float]:
        """Loss terms that are the same whatever the auxiliary head, and their weights in the total."""
        return {}

    def without_shared_terms(self) -> "Method":
        """The method with all its losses but those."""
        return self

    def frozen(self, name: str, student: EncodingNetwork, rates: Rates) -> bool:
        """Whether a parameter of the student stays as it is in this step.

        Without masked input, a mask token has nothing to learn.
        """
        return name == "backbone.mask_token"

    def warning(self, metrics: dict[str, float]) -> str | None:
        """What the user should know of the training's health, or None."""
        return same_features(metrics)


def method_of(config: PretrainConfig) -> Method:
    """The method that a configuration asks for."""
    return resolve_name(METHODS[config.method.name].implementation)(config)
