"""Finds the first tensor of a step that is not finite, in the order of computation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import jittor as jt
import numpy as np

from pipeline import kernels
from pipeline.config.stages import PretrainConfig
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
from pipeline.pretrain.methods.method import MethodInput, method_of
from pipeline.pretrain.step import TrainState, named_losses, train_step


@dataclass(frozen=True)
class NonFiniteTensor:
    """A tensor that is not finite."""

    name: str
    shape: tuple[int, ...]
    num_nan: int
    num_inf: int
    smallest: float  # of its finite values; NaN if there are none
    largest: float
    place: tuple[int, ...]  # index of its first value that is not finite

    def __str__(self) -> str:
        size = int(np.prod(self.shape))
        text = f"{self.name} {self.shape}: {self.num_nan} NaN and {self.num_inf} infinite of {size} values"
        if self.num_nan + self.num_inf < size:
            text += f", the others from {self.smallest:.3g} to {self.largest:.3g}"
        return f"{text}; the first at {list(self.place)}"


@dataclass(frozen=True)
class StepCheck:
    """The result of checking a step."""

    broken: NonFiniteTensor | None  # the first non-finite tensor; None: all are finite
    num_finite: int  # number of tensors checked before it, or of all
    losses: dict[str, float]  # "loss" and its terms, the mean over microbatches


def check_step(state: TrainState, batch: Batch, rates: Rates, config: PretrainConfig) -> StepCheck:
    """Do the step, and check every tensor on the way: batch, state, forward pass, losses, gradients, state.

    In the forward pass, outputs of kernels and of the networks' parts are checked; of gradients those of
    parameters, starting at the loss. The last state is that after the step.
    """
    method, count = method_of(config), config.schedule.accumulation_steps
    drop_path = draw_drop_path(config, batch, state.step)

    def forward(index: int) -> tuple[jt.Var, dict[str, jt.Var]]:
        masks = microbatch_drop_path(drop_path, index, count)
        inputs = MethodInput(state.method_state, batch.microbatch(index, count), masks, rates)
        output = method.forward(state.networks, inputs)
        return output.total, named_losses(output.losses)

    return check_training_step(
        state,
        {name: getattr(batch, name) for name in ("global_crops", "local_crops")},
        networks={"student": state.student, "teacher": state.teacher},
        trained={f"student/{name}": each for name, each in state.student.named_parameters()},
        num_microbatches=count,
        forward=forward,
        step=lambda: train_step(state, batch, rates, config)[0],
    )


def check_training_step(
    state: Any,
    batch: Mapping[str, Any],
    *,
    networks: Mapping[str, Any],
    trained: Mapping[str, jt.Var],
    num_microbatches: int,
    forward: Callable[[int], tuple[jt.Var, dict[str, jt.Var]]],
    step: Callable[[], Any],
) -> StepCheck:
    """The same for any training, in the order of the step.

    Args:
        state: before the step; has `tensors` and `optimizer`.
        batch: its arrays, by their names in messages.
        networks: by their names in messages; the outputs of their parts are checked.
        trained: the parameters with gradients, by their names in messages.
        forward: index of a microbatch -> the loss to minimise, and the losses as logged.
        step: does the step; returns the state after it.
    """
    check, terms = FiniteCheck(), []
    for name, array in batch.items():
        check.at(f"the batch's {name}", array)
    check.at("before the step:", state.tensors)
    check.at("before the step: optimizer", state.optimizer.state())
    with check.inside(**networks):
        for index in range(num_microbatches):
            total, losses = forward(index)
            check.at("", losses)
            terms.append({name: float(value.item()) for name, value in losses.items()})
            gradients = jt.grad(total / num_microbatches, list(trained.values()))
            for name, gradient in reversed(list(zip(trained, gradients, strict=True))):
                check.at(f"the gradient of {name}", gradient)
    check.at("after the step:", step().tensors)
    means = {name: float(np.mean([each[name] for each in terms])) for name in terms[0]}
    return StepCheck(check.broken, check.num_finite, means)


def all_finite(tensors: dict[str, jt.Var]) -> bool:
    """Whether every value of every tensor is finite."""
    return all(np.isfinite(value.numpy()).all() for value in tensors.values())


class FiniteCheck:
    """Remembers the first tensor that is not finite among those it is given."""

    def __init__(self) -> None:
        self.broken: NonFiniteTensor | None = None
        self.num_finite = 0
        self._parts: list[str] = []  # the networks' parts that are running, outermost first

    def at(self, name: str, value: Any) -> None:
        """Check a tensor, or everything in a container, until one is not finite."""
        if self.broken is not None:
            return
        if isinstance(value, jt.Var | np.ndarray):
            self._at_array(name, np.asarray(value.numpy() if isinstance(value, jt.Var) else value))
        elif isinstance(value, dict):
            for key, each in value.items():
                self.at(f"{name} {key}".strip(), each)
        elif isinstance(value, list | tuple):
            for index, each in enumerate(value):
                self.at(f"{name}[{index}]", each)
        elif is_dataclass(value):
            for field in fields(value):
                self.at(f"{name}.{field.name}", getattr(value, field.name))

    def _at_array(self, name: str, array: np.ndarray) -> None:
        if not np.issubdtype(array.dtype, np.floating):
            return
        finite = np.isfinite(array)
        if finite.all():
            self.num_finite += 1
            return
        good = array[finite]
        ends = (float(good.min()), float(good.max())) if good.size else (float("nan"), float("nan"))
        num_nan = int(np.isnan(array).sum())
        place = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), array.shape))
        num_inf = int(array.size - finite.sum()) - num_nan
        self.broken = NonFiniteTensor(name, array.shape, num_nan, num_inf, *ends, place)

    @contextmanager
    def inside(self, **networks: Any) -> Iterator[None]:
        """Check the outputs of every part of the networks, and of every kernel."""
        modules = [
            (f"{which}/{name}", module)
            for which, network in networks.items()
            if network is not None
            for name, module in network.named_modules()
        ]
        operators = {name: getattr(kernels, name) for name in kernels.__all__}
        operators = {name: each for name, each in operators.items() if callable(each) and name.islower()}
        for name, module in modules:
            module.__dict__["execute"] = self._checked_part(name, module.execute)
        for name, operator in operators.items():
            setattr(kernels, name, self._checked_kernel(name, operator))
        try:
            yield
        finally:
            for _, module in modules:
                module.__dict__.pop("execute", None)
            for name, operator in operators.items():
                setattr(kernels, name, operator)

    def _checked_part(self, name: str, execute: Any) -> Any:
        def checked(*given: Any, **named: Any) -> Any:
            self._parts.append(name)
            try:
                found = execute(*given, **named)
            finally:
                self._parts.pop()
            self.at(name, found)
            return found

        return checked

    def _checked_kernel(self, name: str, operator: Any) -> Any:
        def checked(*given: Any, **named: Any) -> Any:
            found = operator(*given, **named)
            self.at(f"{name} in {self._parts[-1] if self._parts else 'the loss'}", found)
            return found

        return checked
