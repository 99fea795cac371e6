"""What runs one stage, wherever it runs: `python -m <module> <output>/job.json`, until its stamp is there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StageCommand:
    """The command of one stage, and what becomes of its output.

    Attributes:
        module: the stage's module, such as "stages.knn".
        output: artifact directory, which holds the job's file.
        cwd: folder that holds the module's package.
        threads: threads of the numerical libraries; 0: every core that the stage may use.
        lock: descriptor of the artifact's lock, which the stage keeps open; None: it is not held here.
        show: called with the stage's output as it comes.
        margin: columns of a terminal that `show` needs before each line.
    """

    module: str
    output: Path
    cwd: Path
    threads: int
    lock: int | None
    show: Callable[[bytes], None]
    margin: int = 0
