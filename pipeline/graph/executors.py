"""Chooses the executor that `executor=NAME` names; the rest of the graph does not know where stages run."""

import difflib
import shutil
import signal
from collections.abc import Callable
from importlib.util import find_spec
from types import FrameType

from pipeline.config.executors import ExecutorConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.local_executor import LocalExecutor
from pipeline.graph.node import STAGES
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.subprocesses import run_stage

EXECUTORS = ("local", "slurm")


# Runs a stage until its stamp is there, or raises StageFailed.
Executor = Callable[[StageCommand], None]


def runs_here(executor: Executor) -> bool:
    """Whether stages run on this machine, and so with its memory and disk."""
    return executor is run_stage or isinstance(executor, LocalExecutor)


def executor_named(
    name: str, config: ExecutorConfig, at_once: int = 1, runtime: RuntimeConfig | None = None
) -> Executor:
    """The executor of a name.

    Args:
        name: of `EXECUTORS`.
        config: settings of all of them.
        at_once: how many stages doit runs at once.
        runtime: of the stages, whose ranks have to fit on what jobs ask for; None: the defaults.

    Raises:
        ValueError: there is no such executor, or this machine cannot use it, or ranks do not fit.
    """
    if name not in EXECUTORS:
        raise ValueError(f"executor={name}: expected one of {', '.join(EXECUTORS)}")
    if name == "local":
        return LocalExecutor(config.local, at_once)
    if shutil.which("sbatch") is None:
        raise ValueError("executor=slurm: there is no sbatch here; run this where jobs are submitted")
    if find_spec("submitit") is None:
        raise ValueError("executor=slurm: needs the library submitit: pip install -e '.[cluster]'")
    from pipeline.graph.slurm.executor import SlurmExecutor
    from pipeline.graph.slurm.following import leave_jobs
    from pipeline.graph.slurm.nodes import check_nodes

    check_nodes(config.slurm, runtime or RuntimeConfig(), [*STAGES])

    def hang_up(number: int, frame: FrameType | None) -> None:
        leave_jobs()  # the terminal is gone, but the jobs are still wanted
        raise SystemExit(128 + number)

    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, hang_up)
    return SlurmExecutor(config.slurm, at_once)


def check_stages(config: ExecutorConfig, stages: list[str]) -> None:
    """Check the names in `[executor.slurm.stages]`.

    Raises:
        ValueError: there is no such stage; the message names the most similar one.
    """
    for name in config.slurm.stages:
        if name not in stages:
            close = difflib.get_close_matches(name, stages, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(stages)}"
            raise ValueError(f"executor.slurm.stages.{name}: no such stage; {hint}")
