"""The order in which doit starts stages that are ready: what others wait for, then what takes longest.

With several stages at once, a long one that started last would leave the other cores idle at the end.
"""

from collections import deque

from doit.control import ExecNode, TaskControl, TaskDispatcher

from pipeline.config.evaluate import FEW_SHOT
from pipeline.config.linear_augmented import LINEAR_AUGMENTED

# Stages before those that read them; then from minutes to seconds. All others take a second or two.
_FIRST = (
    "prepare",
    "subset",
    "convert",
    "initialize",
    "pretrain",
    "features",
    "finetune",
    LINEAR_AUGMENTED,
    "detect",
    "segment",
    "linear",
    "logistic",
    FEW_SHOT,
    "dense_probe",
)
_RANK = {stage: rank for rank, stage in enumerate(_FIRST)}


def rank(task: str) -> int:
    """The place of a task in the order, by the stage in its name; a sweep names its trial before that."""
    return next((_RANK[part] for part in task.split(":") if part in _RANK), len(_RANK))


class LongestFirst(TaskDispatcher):
    """doit's dispatcher, which takes the first of those that are ready; here, the first by `rank`."""

    def _get_next_node(self, ready: deque[ExecNode], tasks_to_run: list[str]) -> ExecNode | None:
        if ready:
            first = min(range(len(ready)), key=lambda index: rank(ready[index].task.name))
            ready.rotate(-first)
            node = ready.popleft()
            ready.rotate(first)
            return node
        return super()._get_next_node(ready, tasks_to_run)


def start_longest_first(control: TaskControl) -> None:
    """Make the tasks of a run start in this order."""
    control.task_dispatcher = lambda: LongestFirst(control.tasks, control.targets, control.selected_tasks)
