"""Networks of several candidates that share one base, and one forward pass of the base for all.

A candidate's networks are the same as when it is trained alone, whatever the method. All parameters that the
method also has without a head, foremost the base's, are shared tensors; each head's additions are its own.
"""

from collections.abc import Callable
from typing import Any

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.config.stages import PretrainConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.models.encoder import ChosenTokens, Tokens
from pipeline.models.hssl import EncodingNetwork
from pipeline.pretrain.methods.method import Networks, method_of

Parameters = dict[str, jt.Var]
AnyTokens = Tokens | ChosenTokens
Inputs = tuple[Any, ...]  # arrays, or None
Shapes = tuple[tuple[int, ...] | None, ...]
SHARED = "(shared)"  # cannot be a candidate's name


def shared_names(config: PretrainConfig) -> frozenset[str]:
    """Names of the student's parameters that the method also has without an auxiliary head."""
    alone = config.model_copy(update={"auxiliary_head": None})
    return frozenset(name for name, _ in method_of(alone).networks().student.named_parameters())


def candidate_networks(config: JointTrainingConfig, shared: frozenset[str]) -> dict[str, Networks]:
    """The networks of every candidate, initialised as when trained alone; shared parameters are the same."""
    found = {name: method_of(config.alone[name]).networks() for name in config.candidates}
    first, *others = found.values()
    for networks in others:
        _share(networks.student, first.student, shared)
        if networks.teacher is not None:
            _share(networks.teacher, first.teacher, shared)
    return found


def own_parameters(network: EncodingNetwork, shared: frozenset[str]) -> Parameters:
    """The parameters that the candidate's head adds, by name."""
    return {name: value for name, value in network.named_parameters() if name not in shared}


def joint_parameters(networks: dict[str, EncodingNetwork], shared: frozenset[str]) -> Parameters:
    """Every parameter once, by name: first "(shared)/<name>", then "<candidate>/<name>"."""
    first = next(iter(networks.values()))
    found = {f"{SHARED}/{name}": value for name, value in first.named_parameters() if name in shared}
    for candidate, network in networks.items():
        own = own_parameters(network, shared)
        found |= {f"{candidate}/{name}": value for name, value in own.items()}
    return found


class BaseForward:
    """Forward passes of the base over one batch, computed once for all candidates.

    Every candidate's method asks for the same passes in the same order; the first request computes each.
    """

    def __init__(self, backbone: nn.Module):
        self.backbone = backbone
        self._passes: list[tuple[str, Shapes, AnyTokens]] = []

    def tokens(
        self, index: int, way: str, inputs: Inputs, compute: Callable[[], AnyTokens], *, global_alone: bool
    ) -> AnyTokens:
        """The tokens of pass `index`, from 0.

        Args:
            way: how the pass is computed, for comparison.
            inputs: images, mask and drop path, or what the way takes instead.
            compute: called for the first candidate.
            global_alone: whether no patches will be read, so that a pass computed in another way will do.

        Raises:
            ValueError: another candidate made this pass in another way, or with inputs of other shapes.
        """
        shapes = tuple(None if x is None else tuple(x.shape) for x in inputs)
        if index == len(self._passes):
            self._passes.append((way, shapes, compute()))
        first_way, expected, tokens = self._passes[index]
        if shapes != expected or (way != first_way and not global_alone):
            raise ValueError(
                f"pass {index} of the base: expected {first_way} {expected}, found {way} {shapes}"
            )
        return tokens


class CandidateNetwork:
    """A candidate's network as its method sees it, with `BaseForward`'s shared passes as its backbone."""

    def __init__(self, network: EncodingNetwork, base: BaseForward):
        self._network, self.backbone = network, _SharedBackbone(base)

    def __getattr__(self, name: str) -> Any:
        # Methods of the network's class are bound to this object, so that they use the shared passes.
        for owner in type(self._network).__mro__:
            if owner is nn.Module:
                break
            if name in vars(owner):
                return vars(owner)[name].__get__(self)
        return getattr(self._network, name)


class _SharedBackbone:
    """A backbone whose n-th call returns the n-th pass of `BaseForward`."""

    def __init__(self, base: BaseForward):
        self._base, self._num_calls = base, 0

    def __call__(self, *inputs: jt.Var | None) -> Tokens:
        return self._next("all tokens", inputs, lambda: self._base.backbone(*inputs))

    def chosen_tokens(
        self,
        images: jt.Var,
        chosen: np.ndarray,
        mask: jt.Var | None = None,
        drop_path_scales: jt.Var | None = None,
        *,
        with_map: bool,
    ) -> ChosenTokens:
        """See `Encoder.chosen_tokens`. Patches are asked for the first candidate alone, as their loss is."""

        def compute() -> ChosenTokens:
            backbone = self._base.backbone
            return backbone.chosen_tokens(images, chosen, mask, drop_path_scales, with_map=with_map)

        way, none = f"{len(chosen)} chosen tokens", len(chosen) == 0
        tokens = self._next(way, (images, mask, drop_path_scales), compute, global_alone=none)
        return ChosenTokens(tokens.cls, None if none else tokens.patches, tokens.feature_map)

    def visible_tokens(self, *inputs: Any) -> Tokens:
        """See `VisionTransformer.visible_tokens`."""
        return self._next("visible tokens", inputs, lambda: self._base.backbone.visible_tokens(*inputs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base.backbone, name)

    def _next(
        self, way: str, inputs: Inputs, compute: Callable[[], AnyTokens], *, global_alone: bool = False
    ) -> AnyTokens:
        tokens = self._base.tokens(self._num_calls, way, inputs, compute, global_alone=global_alone)
        self._num_calls += 1
        return tokens


def _share(network: EncodingNetwork, first: EncodingNetwork, names: frozenset[str]) -> None:
    """Replace the named parameters of `network` by those of `first`."""
    modules, given = dict(network.named_modules()), dict(first.named_parameters())
    for name, old in list(network.named_parameters()):
        if name in names:
            if tuple(old.shape) != tuple(given[name].shape):
                raise ValueError(f"{name}: shapes {tuple(old.shape)} and {tuple(given[name].shape)} differ")
            path, _, leaf = name.rpartition(".")
            setattr(modules[path], leaf, given[name])
