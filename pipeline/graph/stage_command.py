"""The command that runs one stage: `python -m <module> <output>/job.json`, until its stamp exists."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StageCommand:
    """The command of one stage, and how its output is shown.

    Attributes:
        module: the stage's module, such as "stages.knn".
        output: artifact directory, which holds the job's file.
        cwd: folder that holds the module's package.
        threads: threads of the numerical libraries; 0: every core that the stage may use.
        lock: descriptor of the artifact's lock, which the stage keeps open; None: it is not held here.
        show: called with the stage's output as it arrives.
        margin: columns of a terminal that `show` needs before each line.
    """

    module: str
    output: Path
    cwd: Path
    threads: int
    lock: int | None
    show: Callable[[bytes], None]
    margin: int = 0
