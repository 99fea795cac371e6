"""Networks of several candidates that share one base, and one forward pass of it for all.

A candidate's networks are those of its training alone, of whatever method. All parameters that the method has
without any head, the base above all, are one set of tensors in all of them; what a head adds is its own.
"""

from typing import Any

import jittor as jt
from jittor import nn

from pipeline.config.stages import PretrainConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.models.encoder import Tokens
from pipeline.models.hssl import EncodingNetwork
from pipeline.pretrain.methods.method import Networks, method_of

Parameters = dict[str, jt.Var]
SHARED = "(shared)"  # no name of a candidate


def shared_names(config: PretrainConfig) -> frozenset[str]:
    """Names of the student's parameters that the method has without an auxiliary head."""
    alone = config.model_copy(update={"auxiliary_head": None})
    return frozenset(name for name, _ in method_of(alone).networks().student.named_parameters())


def candidate_networks(config: JointTrainingConfig, shared: frozenset[str]) -> dict[str, Networks]:
    """The networks of every candidate, initialised as in its training alone, sharing what is shared."""
    found = {name: method_of(config.alone[name]).networks() for name in config.candidates}
    first, *others = found.values()
    for networks in others:
        _share(networks.student, first.student, shared)
        if networks.teacher is not None:
            _share(networks.teacher, first.teacher, shared)
    return found


def own_parameters(network: EncodingNetwork, shared: frozenset[str]) -> Parameters:
    """What the candidate's head adds, by name."""
    return {name: value for name, value in network.named_parameters() if name not in shared}


def joint_parameters(networks: dict[str, EncodingNetwork], shared: frozenset[str]) -> Parameters:
    """Every tensor once: "(shared)/<name>", then "<candidate>/<name>"."""
    first = next(iter(networks.values()))
    found = {f"{SHARED}/{name}": value for name, value in first.named_parameters() if name in shared}
    for candidate, network in networks.items():
        own = own_parameters(network, shared)
        found |= {f"{candidate}/{name}": value for name, value in own.items()}
    return found


class BaseForward:
    """The base's tokens for each of a method's skips one batch, computed once for all candidates.

    Every candidate's method asks for the same passes in the same order; the first to ask has it computed.
    """

    def __init__(self, backbone: nn.Module):
        self.backbone = backbone
        self._passes: list[tuple[tuple, Tokens]] = []

    def tokens(self, index: int, way: str, arguments: tuple) -> Tokens:
        """Of pass `index`, from 0.

        Args:
            way: name of the backbone's method that makes the pass.
            arguments: of that method.

        Raises:
            ValueError: another candidate made this pass by another method, or over inputs of other shapes.
        """
        asked = (way, *(None if x is None else tuple(x.shape) for x in arguments))
        if index == len(self._passes):
            self._passes.append((asked, getattr(self.backbone, way)(*arguments)))
        expected, tokens = self._passes[index]
        if asked != expected:
            raise ValueError(f"pass {index} of the base: expected {expected}, found {asked}")
        return tokens


class CandidateNetwork:
    """A candidate's network to its method, with the base's shared passes in place of the base."""

    def __init__(self, network: EncodingNetwork, base: BaseForward):
        self._network, self.backbone = network, _SharedBackbone(base)

    def __getattr__(self, name: str) -> Any:
        # What the network's class defines is to run on this object, so that it meets the shared passes.
        for owner in type(self._network).__mro__:
            if owner is nn.Module:
                break
            if name in vars(owner):
                return vars(owner)[name].__get__(self)
        return getattr(self._network, name)


class _SharedBackbone:
    """A backbone whose passes are those of `BaseForward`, asked for one after the other."""

    def __init__(self, base: BaseForward):
        self._base, self._asked = base, 0

    def __call__(self, *arguments: jt.Var | None) -> Tokens:
        return self._next("__call__", arguments)

    def visible_tokens(self, *arguments: Any) -> Tokens:
        """As the Vision Transformer's."""
        return self._next("visible_tokens", arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base.backbone, name)

    def _next(self, way: str, arguments: tuple) -> Tokens:
        tokens = self._base.tokens(self._asked, way, arguments)
        self._asked += 1
        return tokens


def _share(network: EncodingNetwork, first: EncodingNetwork, names: frozenset[str]) -> None:
    """Put the tensors of `first` in place of those of the same names."""
    modules, given = dict(network.named_modules()), dict(first.named_parameters())
    for name, old in list(network.named_parameters()):
        if name in names:
            if tuple(old.shape) != tuple(given[name].shape):
                raise ValueError(f"{name}: shapes {tuple(old.shape)} and {tuple(given[name].shape)} differ")
            path, _, leaf = name.rpartition(".")
            setattr(modules[path], leaf, given[name])
