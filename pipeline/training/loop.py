"""The training loop: pretraining, the search over heads and every fine-tuning run in it."""

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

WATCHED_STEPS = 10_000  # of a training whose gradients are looked at unless the user says otherwise: ours


class Outcome(Protocol):
    """What a step measured, still on the device."""

    logged_losses: dict[str, jt.Var]  # by their names in the log, each (1,)


Report = Callable[[Progress], None]
Batch = TypeVar("Batch")
OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class Training(ABC, Generic[State, Batch, OutcomeT]):
    """What one training gives to the loop; steps count from 0.

    Attributes:
        num_steps: optimiser steps of the whole training.
        batch_size: images of a step.
        run: digest of all that decides the result; a checkpoint of another one is refused.
        ranks: that train together, each in a loop of its own. All read the checkpoint, and take part in
            `train_step`, `measured` and `explanation`; the first alone writes and reports.
    """

    num_steps: int
    batch_size: int
    run: str
    ranks: Ranks = SINGLE_PROCESS

    @abstractmethod
    def fresh_state(self) -> State:
        """Networks with their initial values, an optimiser at rest, step 0."""

    def first_state(self) -> State:
        """What training starts from where there is no checkpoint: the fresh state, or given weights."""
        return self.fresh_state()

    @abstractmethod
    def make_batch(self, step: int) -> Batch:
        """The batch of a step, a function of the step alone; called in several threads at once."""

    @abstractmethod
    def image_names(self, step: int) -> Sequence[str]:
        """The images of a step, for messages."""

    @abstractmethod
    def train_step(self, state: State, batch: Batch) -> tuple[State, OutcomeT]:
        """One optimiser step."""

    def watched_step(self, state: State, batch: Batch, watch: GradientWatch) -> tuple[State, OutcomeT]:
        """The same step, whose gradients are looked at; not where a pass cannot be repeated."""
        return self.train_step(state, batch)

    def explanation(self, state: State, step: int, output: Path, say: Callable[[str], None]) -> str:
        """What can be found out about a loss that is not finite, as a sentence; the training is over then.

        All ranks go back together; the first alone knows the sentence.

        Args:
            state: of the training now, which may be changed.
            step: whose loss it is, counted from 1.
            output: the training's artifact.
            say: told what takes long.
        """
        return ""

    def measured(self, state: State, outcome: OutcomeT) -> dict[str, float]:
        """What the log gets beside the losses of a step."""
        return {}

    def warning(self, metrics: dict[str, float]) -> str | None:
        """What went wrong, in words, or None."""
        return None

    def always_logged(self, num_done: int) -> bool:
        """Whether the log gets a line after so many steps, however seldom the user wants one."""
        return num_done in (1, self.num_steps)

    def after_logged_step(self, state: State) -> None:
        """Called once the losses of all steps so far are known to be finite.

        Raises:
            FloatingPointError: something else is not; the loop adds what `explanation` finds.
        """


def train(
    training: Training[State, Batch, OutcomeT],
    output: Path,
    *,
    runtime: RuntimeConfig,
    report: Report,
) -> State:
    """Train to the last step, from the newest whole checkpoint in `output` if there is one.

    A training that was killed and resumed ends bit for bit like one that was not. Its last two checkpoints
    are kept. One that is warned of its end (`pipeline.training.end_warning`) saves a checkpoint after the
    step that it is at, and ends itself.

    Raises:
        FloatingPointError: a loss, or what is measured beside it, is not finite; the message names the step,
            the images of a loss, and what `Training.explanation` found. The last checkpoint stays.
        WeightsError: the checkpoint does not fit, see `load_newest`.
        GradientsDiffer: at the step that is looked at, gradients are not those of plain operators.
        RanksDiffer: ranks that train together do not hold the same parameters any more.
    """
    ranks, damage = training.ranks, []
    with ranks.first_before_others():  # it moves what is damaged out of the way
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
    unread = []  # losses are read at logged steps only: reading waits for the device
    warning = EndWarning()
    num_threads = _loader_threads(runtime)
    steps = range(state.step, training.num_steps)
    batches = prefetch(training.make_batch, steps, num_threads=num_threads, depth=max(4, 2 * num_threads))
    for batch in batches:
        throughput.batch_arrived()
        if watch and state.step == watch.step:
            state, outcome = training.watched_step(state, batch, watch)
        else:
            state, outcome = training.train_step(state, batch)
        jt.sync_all()  # hands the step to the device; does not wait for it
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
            # Saved only after a look at the losses, so that a checkpoint never holds a broken network.
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
    """The losses of the last step, after a look at those of all before it.

    Args:
        explaining: for the number of a step, what adds to a refusal of it.
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
    """To what says that a step is not finite, adds what can be found out about it."""
    try:
        yield
    except FloatingPointError as error:
        explained = _explained(training, state, output, report, step)
        raise FloatingPointError(f"{error}\n{explained}".strip()) from None


def _explained(training: Training, state: State, output: Path, report: Report, step: int) -> str:
    try:
        return training.explanation(state, step, output, partial(_say, report, step, training.num_steps))
    except Exception as error:  # whatever it is: it must not hide what it is about
        return f"where it began could not be found: {type(error).__name__}: {error}"


def _say(report: Report, step: int, num_steps: int, text: str) -> None:
    report(Progress(step, num_steps, {"step": step}, text))


def _loader_threads(runtime: RuntimeConfig) -> int:
    if runtime.loader_threads is not None:
        return runtime.loader_threads
    # A GPU asks for more images than two threads decode; a processor has its cores for the step.
    return max(2, min(8, runtime.threads_per_rank)) if jt.flags.use_cuda else 2


def _watches(training: Training, runtime: RuntimeConfig) -> bool:
    # On a card, Jittor's own operators have been seen to end with an illegal address: docs/gpu.md.
    long = training.num_steps >= WATCHED_STEPS and not jt.flags.use_cuda
    return long if runtime.watch_gradients is None else runtime.watch_gradients


def _watch(training: Training, first: int) -> GradientWatch:
    """Of a step that the training's digest, and so its seed, decides."""
    return GradientWatch(first, training.num_steps, zlib.crc32(training.run.encode()))


def _save(output: Path, state: State, training: Training) -> None:
    training.ranks.check_equal(state.tensors)
    if training.ranks.is_first:
        keep_copy(output)
        save_newest(output, state, run=training.run)
