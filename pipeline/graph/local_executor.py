"""Runs stages on this machine: each on cards of its own, and with its share of the cores.

The cards and the threads of a stage are written into its job's file, or set in its environment.
"""

import os
import platform
import sys
from dataclasses import replace
from functools import cached_property

from pipeline.config.executors import LocalConfig
from pipeline.evaluate.probes.settings import PROBES
from pipeline.graph.device_pool import cards_taken, cards_to_share
from pipeline.graph.forked_stages import StageTemplate
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.stages_on_ranks import num_ranks
from pipeline.graph.subprocesses import StageFailed, run_stage
from pipeline.runtime.cache import cache_root
from pipeline.runtime.cuda.cards import card_index, variables_for_cards
from pipeline.runtime.environment import changed
from pipeline.storage.artifacts import JOB
from pipeline.storage.files import read_json, write_json


def threads_of_stage(threads: int, at_once: int) -> int:
    """Threads of each of `at_once` stages: `runtime.threads`, or its share of the cores."""
    return threads or max(1, len(os.sched_getaffinity(0)) // at_once)


def _computes_on_card(job: dict) -> bool:
    """Whether the stage uses a card without Jittor."""
    probe = PROBES.get(job["stage"])
    return probe is not None and probe.on_card and job["runtime"]["kernels"] == "fused"


class LocalExecutor:
    """Runs stages as processes of this machine; safe to call from several threads or processes.

    Args:
        config: which cards the stages share.
        at_once: number of stages that run at once and share the cores.

    Raises:
        ValueError: a card in `config` does not exist.
    """

    def __init__(self, config: LocalConfig, at_once: int):
        self._config, self._at_once = config, at_once
        # Elsewhere it is not known how many threads a process has, and none dies with its parent.
        self._template = StageTemplate() if sys.platform == "linux" else None
        if config.devices:
            cards_to_share(config.devices)

    @cached_property
    def _cards(self) -> tuple[int, ...]:
        return cards_to_share(self._config.devices)  # queries the driver, so only when a stage needs one

    def __call__(self, stage: StageCommand) -> None:
        """Run a stage until its stamp exists.

        Raises:
            StageFailed: the stage failed.
        """
        job = read_json(stage.output / JOB)
        if self._at_once > 1 and not stage.threads:
            stage = replace(stage, threads=threads_of_stage(0, self._at_once))
            job["runtime"]["threads"] = stage.threads
            write_json(stage.output / JOB, job)
        wanted = self._cards_for(job)
        if not wanted:
            alone = num_ranks(job["stage"], job["runtime"]) == 1
            run_stage(stage, template=self._template if alone else None)
            return
        folder = cache_root() / "cards" / platform.node()
        user = f"{job['stage']} {job['name']}".strip()

        def waiting(text: str) -> None:
            stage.show(f"{text}\n".encode())

        count = num_ranks(job["stage"], job["runtime"])
        if count > len(wanted):
            raise StageFailed(
                f"{stage.module}: expected a card for each of {count} ranks (runtime.devices), found "
                f"{len(wanted)} to share (executor.local.devices, CUDA_VISIBLE_DEVICES)"
            )
        with cards_taken(count, wanted, folder, user, waiting) as taken:
            variables = changed(os.environ, variables_for_cards(sorted(taken)))
            run_stage(stage, keep_open=tuple(taken.values()), variables=variables)

    def _cards_for(self, job: dict) -> tuple[int, ...]:
        """The cards of which a stage needs one, or one for each rank; empty if it needs none."""
        device = job["runtime"]["device"]
        if device == "cpu" or not ("jittor" in job["libraries"] or _computes_on_card(job)):
            return ()
        index = card_index(device)
        return self._cards if index is None else (index,)
