"""Where stages run: on the cards and cores of this machine, or as jobs of a Slurm cluster.

None of these settings enters a fingerprint.
"""

from typing import Annotated

from pydantic import Field, field_validator

from pipeline.config.section import NonNegativeInt, Positive, PositiveInt, Section

# Slurm reads these from lines of a script: no character may end a line or a word.
Word = Annotated[str, Field(pattern=r"^[\w.,:;@%+/=*()-]+$")]
CardName = Annotated[str, Field(pattern=r"^cuda:\d{1,3}$")]
OptionName = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")]
# Options of sbatch by which a job is found, followed and restarted, or that have a key of their own.
_OWN_OPTIONS = {
    "account": "account", "array": None, "chdir": None, "cpus-per-task": "cpus", "error": None,
    "gpus-per-node": "gpus", "input": None, "job-name": None, "mem": "memory_gib", "no-requeue": None,
    "nodes": "nodes", "ntasks": None, "ntasks-per-node": None, "open-mode": None, "output": None,
    "partition": "partition", "requeue": None, "signal": "warning_seconds", "time": "time_minutes",
    "wait": None, "wrap": None,
}  # fmt: skip


class SlurmResources(Section):
    """Resources that a job of Slurm requests; the cluster decides what is not given."""

    partition: Word | None = None
    account: Word | None = None
    time_minutes: PositiveInt | None = None  # a training that takes longer continues in a requeued job
    memory_gib: Positive | None = None  # of each node
    cpus: PositiveInt | None = None  # of each node; and as many threads, unless runtime.threads says a number
    gpus: NonNegativeInt | None = None  # of each node
    # For stages that run on ranks: runtime.devices / nodes of them on each. Other stages have one node.
    nodes: PositiveInt | None = None
    # Other options of sbatch, by their long names: { constraint = "a100", nice = 100, exclusive = true }.
    arguments: dict[OptionName, bool | int | Word] = Field(default={})

    @field_validator("arguments")
    @classmethod
    def _not_ours(cls, arguments: dict[str, bool | int | str]) -> dict[str, bool | int | str]:
        for name in arguments.keys() & _OWN_OPTIONS.keys():
            key = _OWN_OPTIONS[name]
            hint = f"it has a key of its own, {key}" if key else "a stage's job needs it as it is"
            raise ValueError(f"{name} cannot be given here: {hint}")
        return arguments


class SlurmConfig(SlurmResources):
    """The jobs of all stages, and how they are watched."""

    # A job is warned this long before its time is over, so that a training saves a checkpoint. Must be longer
    # than a few steps and a checkpoint take; Slurm may warn up to a minute earlier.
    warning_seconds: PositiveInt = 120
    # Runs of one stage that are ready together, such as several seeds, form one job array.
    arrays: bool = True
    poll_seconds: Positive = 10  # between two queries to Slurm, each about all jobs
    # Stage -> resources of its jobs, in place of the above: [executor.slurm.stages.pretrain].
    stages: dict[str, SlurmResources] = Field(default={})


class LocalConfig(Section):
    """How many stages run at once on this machine, and the cards that they share."""

    # The default of `doit run -n`, but no more than there are cores.
    stages_at_once: PositiveInt = 1
    # "cuda:0", "cuda:1", each of which runs one stage at a time; if empty: all that
    # CUDA_VISIBLE_DEVICES leaves visible.
    devices: tuple[CardName, ...] = ()

    @field_validator("devices")
    @classmethod
    def _once_each(cls, devices: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in devices if devices.count(name) > 1}):
            raise ValueError(f"expected every card once, found {twice[0]} {devices.count(twice[0])} times")
        return devices


class ExecutorConfig(Section):
    """Settings of the executors that `doit run all executor=NAME` chooses from."""

    local: LocalConfig = LocalConfig()
    slurm: SlurmConfig = SlurmConfig()
