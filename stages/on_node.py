"""Run a stage inside a job of Slurm: `python -m stages.on_node stages.knn ARTIFACT/job.json`."""

import sys
from pathlib import Path

from pipeline.graph.slurm.on_node import run_on_node
from pipeline.graph.subprocesses import end_on_signal

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the stage that the command line names; return the exit code."""
    module, job = sys.argv[1:]
    end_on_signal()
    message = run_on_node(module, Path(job).parent, root=ROOT)
    if message:
        print(f"\n{message}", flush=True)
    return 1 if message else 0


if __name__ == "__main__":
    sys.exit(main())
