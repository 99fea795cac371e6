"""Joint training of all candidates, from data to scores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.pretrain.batch import Batch, PackedBatch
from pipeline.pretrain.collapse import teacher_statistics
from pipeline.pretrain.training import CropTraining
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.search.cost import measured_cost
from pipeline.search.non_finite import explanation
from pipeline.search.scores import candidate_scores, joint_discrepancies
from pipeline.search.step import JointOutcome, JointState, joint_state, joint_step
from pipeline.storage.files import sha256_of_json
from pipeline.training.loop import train
from pipeline.training.metrics_log import METRICS, read_metrics
from pipeline.training.progress import Progress

_OWN_LOSS = "loss_auxiliary"  # prefix of the head's own loss terms in the log
_TAIL = 0.1  # share of the steps, at the end, over which a candidate's loss is averaged


@dataclass(frozen=True)
class SearchOutcome:
    """The measurements of a joint training."""

    scores: dict[str, dict[str, float]]  # candidate -> proxy -> value; reproducible
    cost: dict[str, Any]  # timings, which vary from run to run


def train_jointly(
    config: JointTrainingConfig,
    dataset: PreparedDataset,
    output: Path,
    *,
    runtime: RuntimeConfig,
    report: Callable[[Progress], None],
    ranks: Ranks = SINGLE_PROCESS,
) -> SearchOutcome | None:
    """Train to the end of the schedule, then measure; resumes as `pipeline.training.loop.train` does.

    The scores depend only on the configuration, the data and, by rounding, on the numbers of threads and of
    ranks. Rank 0 alone measures; the others return None.

    Raises:
        FloatingPointError: a loss is not finite; the last checkpoint stays.
    """
    training = JointTraining(config, dataset, log_every_steps=runtime.log_every_steps, ranks=ranks)
    state = train(training, output, runtime=runtime, report=report)
    if not ranks.is_first:
        return None
    if ranks.count > 1:  # rank 0 alone goes on, with whole batches
        training = JointTraining(config, dataset, log_every_steps=runtime.log_every_steps)
    scores = candidate_scores(state, training.held_out_crops, training.temperature)
    scores = _with_own_losses(scores, output, training.num_steps)
    last = training.num_steps - 1
    rates = training.schedule.at(last)
    batch = training.make_batch(last).rendered()
    cost = measured_cost(state, batch, rates, config, training.num_steps)
    return SearchOutcome(scores, cost)


class JointTraining(CropTraining[JointState, JointOutcome]):
    """The joint training of all candidates, for the training loop."""

    def __init__(
        self,
        config: JointTrainingConfig,
        dataset: PreparedDataset,
        *,
        log_every_steps: int,
        ranks: Ranks = SINGLE_PROCESS,
    ):
        run = sha256_of_json([config.model_dump(mode="json"), dataset.content_digest])
        super().__init__(config.pretrain, dataset, run, ranks)
        self._config, self._log_every_steps = config, log_every_steps
        self.temperature = config.pretrain.objective.student_temperature  # of the distributions compared

    def fresh_state(self) -> JointState:
        return joint_state(self._config)

    def train_step(self, state: JointState, batch: Batch | PackedBatch) -> tuple[JointState, JointOutcome]:
        return joint_step(state, batch.rendered(), self.schedule.at(state.step), self._config, self.ranks)

    def explanation(self, state: JointState, step: int, output: Path, say: Callable[[str], None]) -> str:
        """Find and save the first non-finite step, and name its first non-finite tensor."""
        return explanation(self, self._config, state, step, output, say)

    def measured(self, state: JointState, outcome: JointOutcome) -> dict[str, float]:
        """Teacher statistics; the discrepancies too, which take long, at the user's interval of log lines."""
        teacher_output = outcome.teacher_output.gathered(self.ranks)
        if not self.ranks.is_first:
            return {}
        values = teacher_statistics(teacher_output)
        if state.step % self._log_every_steps == 0 or super().always_logged(state.step):
            for name, found in joint_discrepancies(state, self.held_out_crops, self.temperature).items():
                values |= {f"{name}/{key}": value for key, value in found.items()}
        return values

    def always_logged(self, num_done: int) -> bool:
        """Also every step over which a candidate's loss is averaged."""
        return super().always_logged(num_done) or _in_tail(num_done, self.num_steps)


def _in_tail(num_done: int, num_steps: int) -> bool:
    return num_done > num_steps - max(1, round(_TAIL * num_steps))


def _with_own_losses(
    scores: dict[str, dict[str, float]], output: Path, num_steps: int
) -> dict[str, dict[str, float]]:
    """The scores, with "auxiliary_loss" for methods that have such a term."""
    tail = [line for line in read_metrics(output / METRICS) if _in_tail(line["step"], num_steps)]
    found = {}
    for name, values in scores.items():
        start = f"{name}/{_OWN_LOSS}"
        losses = [value for line in tail for key, value in line.items() if key.startswith(start)]
        found[name] = values | ({"auxiliary_loss": sum(losses) / len(losses)} if losses else {})
    return found
