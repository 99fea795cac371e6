"""Brings a node of the graph up to date."""

import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.graph.executors import Executor, runs_here
from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.graph.shortages import Shortages
from pipeline.graph.slurm.orphaned_jobs import wait_for_orphaned_job
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.subprocesses import StageFailed, run_stage
from pipeline.storage.artifacts import JOB, LOG, locked
from pipeline.storage.files import write_json
from pipeline.storage.verifying import set_aside


def bring_up_to_date(
    graph: Graph,
    node: Node,
    *,
    root: Path,
    force: bool = False,
    on_start: Callable[[], None] = lambda: None,
    show: Callable[[bytes], None],
    margin: int = 0,
    executor: Executor = run_stage,
) -> bool:
    """Run the node's stage unless its artifact is current.

    Args:
        graph: the node's graph.
        node: the node to bring up to date; its inputs must be current.
        root: folder of the stages' package.
        force: run the stage even if the artifact is current, and start it from scratch.
        on_start: called when the artifact's directory exists and the stage is about to run.
        show: called with the stage's output as it arrives.
        margin: columns of a terminal that `show` needs before each line.
        executor: runs the stage, here or elsewhere.

    Returns:
        Whether the stage ran.

    Raises:
        StageFailed: an input is not current, the code was edited since doit started, memory or disk is too
            little, or the stage failed.
    """
    for upstream in node.upstream.values():
        reason = graph.fault(upstream)
        if reason:
            raise StageFailed(
                f"{node.label} reads {upstream.label}, which is not up to date ({reason}); "
                f"first: doit run {upstream.label}"
            )
    directory = graph.directory(node)

    def waiting(holder: str) -> None:
        show(f"waiting for {holder}, which is making {directory}\n".encode())

    with locked(directory, waiting) as (lock, waited):
        waited = wait_for_orphaned_job(directory, show) or waited
        if graph.fault(node) is None:
            if waited or not force:
                return False
            shutil.rmtree(directory)
        set_aside(directory)
        # The fingerprint belongs to the code as it was when doit started; no other code may run under it.
        if graph.code_of(node, graph.code.now()) != graph.code_of(node):
            raise StageFailed(f"{node.label}: its code was edited since doit started; start doit again")
        if runs_here(executor) and (lines := Shortages(graph).before(node)):
            raise StageFailed("\n".join(lines))
        write_json(directory / JOB, _job(graph, node, directory))
        on_start()
        executor(StageCommand(graph.module(node), directory, root, node.runtime.threads, lock, show, margin))
        reason = graph.fault(node)
        if reason:
            raise StageFailed(f"{node.label}: {reason}, just after it ran; see {directory / LOG}")
    return True


def _job(graph: Graph, node: Node, directory: Path) -> dict:
    return {
        "stage": node.stage,
        "name": node.name,
        "run": node.key.as_dict(),
        "fingerprint": graph.fingerprint(node),
        "code": graph.code_of(node),
        "libraries": graph.libraries(node),
        "made_with": graph.made_with(node),
        "config": node.config.model_dump(mode="json"),
        "inputs": {name: str(graph.directory(upstream).resolve()) for name, upstream in node.inputs.items()},
        "runs": [
            {"stage": stage, "key": key.as_dict(), "directory": str(graph.directory(upstream).resolve())}
            for (stage, key), upstream in node.runs.items()
        ],
        "identities": graph.identities(node),
        "lineage": graph.lineage(node),
        "work": node.work,
        "output": str(directory.resolve()),
        "runtime": node.runtime.model_dump(mode="json"),
    }
