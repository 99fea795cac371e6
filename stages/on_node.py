"""Run a stage inside a job of Slurm: `python -m stages.on_node stages.knn ARTIFACT/job.json`.

Each job of an array gets the files of all jobs, and takes the one of its array index.
"""

import os
import sys
from pathlib import Path

from pipeline.graph.slurm.on_node import run_on_node
from pipeline.graph.subprocesses import end_on_signal

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the stage that the command line names; return the exit code."""
    module, *jobs = sys.argv[1:]
    # A single job submitted from within an array's job inherits SLURM_ARRAY_TASK_ID: it must be ignored.
    element = int(os.environ["SLURM_ARRAY_TASK_ID"]) if len(jobs) > 1 else None
    end_on_signal()
    output = Path(jobs[element or 0]).parent
    return 0 if run_on_node(module, output, root=ROOT, say=_say, element=element) else 1


def _say(message: str) -> None:
    print(f"\n{message}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
