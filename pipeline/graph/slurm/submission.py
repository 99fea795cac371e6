"""Submits a command line to Slurm through the library submitit.

submitit is made for Python functions, which it pickles and a job unpickles. Only two parts of it are used
here: it writes a script for sbatch, and reads the job's number.
"""

from pathlib import Path
from typing import Any

from pipeline.config.executors import SlurmConfig, SlurmResources
from pipeline.graph.slurm.queue import SlurmError


def submit(
    command: str,
    *,
    name: str,
    cwd: Path,
    output: Path,
    warning_seconds: int,
    resources: SlurmResources,
    num_nodes: int = 1,
    num_elements: int | None = None,
) -> str:
    """Submit a job that runs a command; return its number, the prefix of those of an array's elements.

    Args:
        command: a shell command; a signal of Slurm reaches it only if it begins with "exec".
        name: the job's name.
        cwd: the job's working directory.
        output: file for the job's output, in an existing folder; "%j" in its name stands for the job's
            number, "%A_%a" for that of an array's element.
        warning_seconds: how long before the end of its time the job gets SIGUSR2.
        resources: of the job, or of each element.
        num_nodes: likewise; the command runs on the first.
        num_elements: makes it an array of so many jobs, which find their number, counted from 0, in
            SLURM_ARRAY_TASK_ID.

    Raises:
        SlurmError: sbatch is missing or refused the job.
    """
    import submitit
    from submitit.core.utils import FailedJobError

    class Commands(submitit.SlurmExecutor):
        """Runs command lines: submitit has no public way to submit one without a pickle."""

        def job_of(self, command: str) -> submitit.SlurmJob:
            return self._submit_command(command)

    asked = sbatch_parameters(
        name=name,
        cwd=cwd,
        output=output,
        warning_seconds=warning_seconds,
        resources=resources,
        num_nodes=num_nodes,
    )
    try:
        commands = Commands(output.parent)
        commands.update_parameters(**asked)
        if num_elements is not None:
            commands.parameters["map_count"] = num_elements
        return commands.job_of(command).job_id
    except FailedJobError as error:
        raise SlurmError(f"sbatch refused the job: {' '.join(str(error).split())}") from error
    except (RuntimeError, FileNotFoundError) as error:
        raise SlurmError(str(error)) from error


def resources_of(config: SlurmConfig, stage: str) -> SlurmResources:
    """Resources of a stage's jobs: its own section overrides the common one, `arguments` name by name."""
    own = config.stages.get(stage, SlurmResources())
    common = {name: getattr(config, name) for name in SlurmResources.model_fields}
    given = {name: getattr(own, name) for name in own.model_fields_set}
    return SlurmResources(**common | given | {"arguments": common["arguments"] | own.arguments})


def sbatch_parameters(
    *,
    name: str,
    cwd: Path,
    output: Path,
    warning_seconds: int,
    resources: SlurmResources,
    num_nodes: int = 1,
) -> dict[str, Any]:
    """The options of sbatch, as submitit names them."""
    memory = resources.memory_gib
    own = {
        "chdir": str(cwd),
        "output": str(output),
        "open-mode": "append",  # a requeued job continues in the same file
        "requeue": True,
        # Only the program of the job is warned ("B:"), not its children.
        "signal": f"B:USR2@{warning_seconds}",
    }
    return {
        "job_name": name,
        "partition": resources.partition,
        "account": resources.account,
        "time": resources.time_minutes,  # None must be passed: submitit's own default is 5 minutes
        "mem": memory and f"{round(1024 * memory)}M",
        "cpus_per_task": resources.cpus,
        "gpus_per_node": resources.gpus or None,
        # One task for Slurm, with all cores of its node: mpirun starts the ranks.
        **({"nodes": num_nodes, "ntasks_per_node": 1} if num_nodes > 1 else {}),
        "stderr_to_stdout": True,
        "use_srun": False,
        "wckey": None,
        "additional_parameters": {k: v for k, v in resources.arguments.items() if v is not False} | own,
    }
