"""The training loop of pretraining, of the search over heads and of every fine-tuning."""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import jittor as jt

from pipeline.config.stages import RuntimeConfig
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.checkpoint import State, load_newest, save_newest
from pipeline.training.end_warning import EndWarning
from pipeline.training.gradient_watch import GradientWatch
from pipeline.training.loss_curve import LossCurve
from pipeline.training.losses import read_losses
from pipeline.training.metrics_log import METRICS, append_metrics, keep_copy, read_metrics, rewind
from pipeline.training.prefetch import prefetch
from pipeline.training.progress import Progress
from pipeline.training.throughput import Throughput

WATCHED_STEPS = 10_000  # trainings of at least so many steps have their gradients checked by default


class Outcome(Protocol):
    """The result of a step, still on the device."""

    logged_losses: dict[str, jt.Var]  # by name in the log, each (1,)


Report = Callable[[Progress], None]
Batch = TypeVar("Batch")
OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class Training(ABC, Generic[State, Batch, OutcomeT]):
    """A training as the loop runs it; steps count from 0.

    Attributes:
        num_steps: optimiser steps of the whole training.
        batch_size: images per step.
        run: digest of everything that determines the result; a checkpoint with another one is refused.
        ranks: the ranks that train together, each in a loop of its own. All read the checkpoint and take part
            in `train_step`, `measured` and `explanation`; rank 0 alone writes and reports.
    """

    num_steps: int
    batch_size: int
    run: str
    ranks: Ranks = SINGLE_PROCESS

    @abstractmethod
    def fresh_state(self) -> State:
        """Initial networks and optimiser, step 0."""

    def first_state(self) -> State:
        """The state to start from without a checkpoint: the fresh one, or one with given weights."""
        return self.fresh_state()

    @abstractmethod
    def make_batch(self, step: int) -> Batch:
        """The batch of a step, a function of the step alone; called from several threads."""

    @abstractmethod
    def image_names(self, step: int) -> Sequence[str]:
        """Names of the images of a step, for messages."""

    @abstractmethod
    def train_step(self, state: State, batch: Batch) -> tuple[State, OutcomeT]:
        """One optimiser step."""

    def watched_step(self, state: State, batch: Batch, watch: GradientWatch) -> tuple[State, OutcomeT]:
        """`train_step` with its gradients checked by `watch`; unchecked where a pass cannot be repeated."""
        return self.train_step(state, batch)

    def explanation(self, state: State, step: int, output: Path, say: Callable[[str], None]) -> str:
        """A sentence on the origin of a non-finite loss; the training ends after it.

        All ranks go back together; the first alone knows the sentence.

        Args:
            state: the current state, which may be changed.
            step: the step of that loss, counted from 1.
            output: the training's artifact.
            say: prints a line about something that takes long.
        """
        return ""

    def measured(self, state: State, outcome: OutcomeT) -> dict[str, float]:
        """Further metrics of a logged step, beside its losses."""
        return {}

    def warning(self, metrics: dict[str, float]) -> str | None:
        """A warning to print with these metrics, or None."""
        return None

    def always_logged(self, num_done: int) -> bool:
        """Whether step number `num_done` is logged, whatever the user's interval."""
        return num_done in (1, self.num_steps)

    def after_logged_step(self, state: State) -> None:
        """Called once the losses of all steps so far are known to be finite.

        Raises:
            FloatingPointError: something else is not finite; the loop adds what `explanation` finds.
        """


def train(
    training: Training[State, Batch, OutcomeT],
    output: Path,
    *,
    runtime: RuntimeConfig,
    report: Report,
) -> State:
    """Train to the last step, from the newest intact checkpoint in `output` if there is one.

    A training that was killed and resumed ends bit for bit like an uninterrupted one. The last two
    checkpoints are kept. After a warning signal (`pipeline.training.end_warning`) the training saves a
    checkpoint at the end of the current step, and ends itself.

    Raises:
        FloatingPointError: a loss, or what is measured beside it, is not finite; names the step and the
            images of a loss, and adds `Training.explanation`. The last checkpoint is kept.
        WeightsError: the checkpoint does not fit, see `load_newest`.
        GradientsDiffer: the gradients of the checked step are not those of plain operators.
        RanksDiffer: the ranks no longer hold the same parameters.
    """
    ranks, damage = training.ranks, []
    with ranks.first_before_others():  # rank 0 moves damaged files aside
        state = load_newest(output, training.fresh_state, run=training.run, say=damage.append)
    if state is None:
        state = training.first_state()
    first = state.step
    if ranks.is_first:
        rewind(output, first, damage.append)
    curve = LossCurve(training.num_steps, read_metrics(output / METRICS))
    for text in damage:
        _say(report, first, training.num_steps, text)
    watch = _watch(training, first) if _watches(training, runtime) else None
    throughput = Throughput(state.step, training.batch_size)
    unread = []  # losses are read at logged steps only, as reading waits for the device
    warning = EndWarning()
    num_threads = loader_threads(runtime)
    steps = range(state.step, training.num_steps)
    batches = prefetch(training.make_batch, steps, num_threads=num_threads, depth=max(4, 2 * num_threads))
    for batch in batches:
        throughput.batch_arrived()
        if watch and state.step == watch.step:
            state, outcome = training.watched_step(state, batch, watch)
        else:
            state, outcome = training.train_step(state, batch)
        jt.sync_all()  # launches the step; does not wait for it
        unread.append((state.step, outcome.logged_losses))
        if state.step % runtime.log_every_steps == 0 or training.always_logged(state.step):
            explaining = partial(_explaining, training, state, output, report)
            values = _read(training, unread, explaining)
            unread.clear()
            measured = training.measured(state, outcome)
            with explaining(state.step):
                _refuse_non_finite(measured, state.step, ranks)
            metrics = {"step": state.step, **values, **measured}
            metrics |= throughput.read(state.step)
            if ranks.is_first:
                append_metrics(output / METRICS, metrics)
                warnings = filter(None, (training.warning(metrics), curve.warning(metrics)))
                report(Progress(state.step, training.num_steps, metrics, "; ".join(warnings) or None))
            with explaining(state.step):
                training.after_logged_step(state)
            # Saved only after the losses were read, so that a checkpoint never holds a broken network.
            due = throughput.checkpoint_due(runtime.checkpoint_every_minutes)
            if ranks.broadcast_decision(due) and state.step < training.num_steps:
                _save(output, state, training)
        if ranks.broadcast_decision(warning.given) and state.step < training.num_steps:
            _read(training, unread, partial(_explaining, training, state, output, report))
            _save(output, state, training)
            warning.end()
        throughput.batch_requested()
    warning.close()
    if state.step > first:
        _save(output, state, training)
    return state


def _read(
    training: Training,
    unread: Sequence[tuple[int, dict[str, jt.Var]]],
    explaining: Callable[[int], AbstractContextManager[None]],
) -> dict[str, float]:
    """The losses of the last unread step, after those of all steps were found finite.

    Args:
        explaining: given a step number, a context that extends an error about it.
    """
    values = {}
    for step, losses in unread:
        with explaining(step):
            values = read_losses(step, losses, lambda step=step: training.image_names(step - 1))
    return values


def _refuse_non_finite(measured: dict[str, float], step: int, ranks: Ranks) -> None:
    """Refuses what the log cannot hold; of several ranks, all refuse what the first has measured."""
    broken = [name for name, value in measured.items() if not math.isfinite(value)]
    if ranks.broadcast_decision(bool(broken)):
        of_first = (
            f"{', '.join(broken)} not finite" if broken else "what the first rank measures is not finite"
        )
        raise FloatingPointError(
            f"step {step}: {of_first}, though the losses are; a lower learning rate may help"
        )


@contextmanager
def _explaining(training: Training, state: State, output: Path, report: Report, step: int) -> Iterator[None]:
    """Extend an error about a non-finite step by `Training.explanation`."""
    try:
        yield
    except FloatingPointError as error:
        explained = _explained(training, state, output, report, step)
        raise FloatingPointError(f"{error}\n{explained}".strip()) from None


def _explained(training: Training, state: State, output: Path, report: Report, step: int) -> str:
    try:
        return training.explanation(state, step, output, partial(_say, report, step, training.num_steps))
    except Exception as error:  # any: it must not hide the error that it should explain
        return f"where it began could not be found: {type(error).__name__}: {error}"


def _say(report: Report, step: int, num_steps: int, text: str) -> None:
    report(Progress(step, num_steps, {"step": step}, text))


def loader_threads(runtime: RuntimeConfig) -> int:
    """The number of threads that make batches, if none is set: by the device and the threads of a rank."""
    if runtime.loader_threads is not None:
        return runtime.loader_threads
    # A GPU asks for more images than two threads decode; a processor has its cores for the step.
    return max(2, min(8, runtime.threads_per_rank)) if jt.flags.use_cuda else 2


def _watches(training: Training, runtime: RuntimeConfig) -> bool:
    # On a card, Jittor's own operators have been seen to end with an illegal address: docs/gpu.md.
    long = training.num_steps >= WATCHED_STEPS and not jt.flags.use_cuda
    return long if runtime.watch_gradients is None else runtime.watch_gradients


def _watch(training: Training, first: int) -> GradientWatch:
    """The watch of a step that the training's digest selects, and so its seed."""
    return GradientWatch(first, training.num_steps, zlib.crc32(training.run.encode()))


def _save(output: Path, state: State, training: Training) -> None:
    training.ranks.check_equal(state.tensors)
    if training.ranks.is_first:
        keep_copy(output)
        save_newest(output, state, run=training.run)
