"""The interface between methods of self-supervised learning and the training step."""

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

MethodState = dict[str, jt.Var]  # a method's own state besides networks and optimiser; empty for most


@dataclass(frozen=True)
class Networks:
    """The student, which is trained, and its moving average, the teacher.

    A parameter of the teacher follows the student's of the same name. The student may have more parameters,
    such as a predictor.
    """

    student: EncodingNetwork
    teacher: EncodingNetwork | None


@dataclass(frozen=True)
class MethodInput:
    """The inputs of one microbatch's losses, besides the networks."""

    state: MethodState
    batch: Batch
    drop_path: DropPathMasks
    rates: Rates


class Method(ABC):
    """Base class of the methods; the defaults suit most of them.

    Class attributes:
        published: the network that the method's authors evaluate.
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
        """The state after a step; `batch_means` are over the whole batch."""
        return method_state

    def shared_terms(self) -> dict[str, float]:
        """Loss terms that do not depend on the auxiliary head, with their weights in the total."""
        return {}

    def without_shared_terms(self) -> "Method":
        """The method without these loss terms."""
        return self

    def frozen(self, name: str, student: EncodingNetwork, rates: Rates) -> bool:
        """Whether a step leaves a parameter of the student unchanged.

        Without masked input, a mask token is not trained.
        """
        return name == "backbone.mask_token"

    def warning(self, metrics: dict[str, float]) -> str | None:
        """A warning about the training's health, or None."""
        return same_features(metrics)


def method_of(config: PretrainConfig) -> Method:
    """The method of a configuration."""
    return resolve_name(METHODS[config.method.name].implementation)(config)
