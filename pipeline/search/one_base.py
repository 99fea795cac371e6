"""Networks of several candidates that share one base, and one forward pass of it for all.

A candidate's networks are those of its training alone, of whatever method. All parameters that the method has
without any head, the base above all, are one set of tensors in all of them; what a head adds is its own.
"""

from typing import Any

import jittor as jt

from pipeline.config.stages import PretrainConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.models.encoder import Tokens
from pipeline.models.hssl import Encoding, EncodingNetwork, PathScales
from pipeline.pretrain.methods import Networks, method_of

Parameters = dict[str, jt.Var]
SHARED = "(shared)"  # no name of a candidate


def shared_names(config: PretrainConfig) -> frozenset[str]:
    """Names of the student's parameters that the method has without an auxiliary head."""
    alone = config.model_copy(update={"auxiliary_head": None})
    return frozenset(name for name, _ in method_of(alone).networks().student.named_parameters())


def candidate_networks(config: JointTrainingConfig, shared: frozenset[str]) -> dict[str, Networks]:
    """The networks of every candidate, with first values as in its training alone, sharing what is shared."""
    found = {name: method_of(config.alone(name)).networks() for name in config.candidates}
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
    """The base's tokens for each of a method's passes over one batch, computed once for all candidates.

    Every candidate's method asks for the same passes in the same order; the first to ask has it computed.
    """

    def __init__(self, backbone: Any):
        self._backbone = backbone
        self._passes: list[tuple[tuple, Tokens]] = []

    def tokens(self, index: int, images: jt.Var, mask: jt.Var | None, paths: jt.Var | None) -> Tokens:
        """Of pass `index`, from 0.

        Raises:
            ValueError: a candidate's pass is over images or masks of other shapes than another's.
        """
        shapes = tuple(None if x is None else tuple(x.shape) for x in (images, mask, paths))
        if index == len(self._passes):
            self._passes.append((shapes, self._backbone(images, mask, paths)))
        expected, tokens = self._passes[index]
        if shapes != expected:
            raise ValueError(f"pass {index} of the base: expected shapes {expected}, found {shapes}")
        return tokens


class OfCandidate:
    """A candidate's network to its method, which encodes by the base's one forward pass."""

    def __init__(self, network: EncodingNetwork, base: BaseForward):
        self._network, self._base, self._asked = network, base, 0

    def encode(self, images: jt.Var, mask: jt.Var | None = None, paths: PathScales | None = None) -> Encoding:
        """As `EncodingNetwork.encode`."""
        tokens = self._base.tokens(self._asked, images, mask, paths.base if paths else None)
        self._asked += 1
        return self._network.encoding_of(tokens, paths)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def _share(network: EncodingNetwork, first: EncodingNetwork, names: frozenset[str]) -> None:
    """Put the tensors of `first` in place of those of the same names."""
    modules, given = dict(network.named_modules()), dict(first.named_parameters())
    for name, old in list(network.named_parameters()):
        if name in names:
            if tuple(old.shape) != tuple(given[name].shape):
                raise ValueError(f"{name}: shapes {tuple(old.shape)} and {tuple(given[name].shape)} differ")
            path, _, leaf = name.rpartition(".")
            setattr(modules[path], leaf, given[name])
