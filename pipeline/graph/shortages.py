"""Checks memory and disk for a stage before it starts, by arithmetic and from earlier runs."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipeline.costs.available import Available, address_space, available_disk, available_memory
from pipeline.costs.needs import COUNTED, Need, least_need
from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.graph.node_facts import backbone_of, images_of, on_processor
from pipeline.report.page.address_space import NEEDED_BYTES
from pipeline.storage.artifacts import artifacts_root, read_stamp

# A stage is refused below this share of the memory that an earlier run of it used. The rest may have been
# pages of files, which the system can reclaim: libraries, and images that are mapped.
_SURE_SHARE = 0.5
_GIB = 2**30


class Shortages:
    """Compares what stages need with what is available.

    Args:
        graph: the stages' graph.
        memory: returns the memory available, called for every stage.
        disk: returns the disk space available to a folder.
        addresses: returns the bytes of address space that a stage may be given.
    """

    def __init__(
        self,
        graph: Graph,
        memory: Callable[[], Available | None] = available_memory,
        disk: Callable[[Path], Available] = available_disk,
        addresses: Callable[[], float] = address_space,
    ):
        self._graph, self._memory, self._disk, self._addresses = graph, memory, disk, addresses

    def before(self, node: Node) -> list[str]:
        """What a stage lacks: lines with the figures and a setting to change."""
        lines, need = self._address_lines(node), self._need(node)
        if line := self._memory_line(node, need):
            lines.append(line)
        disk, available = self._disk_bytes(node, need), self._disk(self._graph.results)
        if disk > available.bytes:
            lines.append(f"{node.label}: {_too_little('disk', disk, available)}. Remedy: {_DISK_REMEDY}")
        return lines

    def before_all(self, nodes: Iterable[Node]) -> list[str]:
        """The same for all stages of a run that are not current, whose outputs add up."""
        lines, disk = [], 0.0
        for node in nodes:
            if self._graph.fault(node) is None:
                continue
            lines += self._address_lines(node)
            need = self._need(node)
            if line := self._memory_line(node, need):
                lines.append(line)
            disk += self._disk_bytes(node, need)
        available = self._disk(self._graph.results)
        if disk > available.bytes:
            lines.append(f"the whole run: {_too_little('disk', disk, available)}. Remedy: {_DISK_REMEDY}")
        return lines

    def _need(self, node: Node) -> Need | None:
        # On a card, the memory that counts is the card's.
        if node.stage not in COUNTED or not on_processor(node.runtime):
            return None
        images, backbone = images_of(self._graph, node), backbone_of(node)
        return None if backbone is None else least_need(node.config, backbone, images.all if images else 0)

    def _address_lines(self, node: Node) -> list[str]:
        allowed = self._addresses()
        if node.stage != "report" or allowed >= NEEDED_BYTES:
            return []
        needed = f"draws with {NEEDED_BYTES / _GIB:.0f} GiB of address space, which is not memory"
        return [
            f"{node.label}: {needed}; {_gib(allowed)} are allowed by RLIMIT_AS. Remedy: `ulimit -v "
            "unlimited`, or another job; or `doit run tables`, for all but the report"
        ]

    def _memory_line(self, node: Node, need: Need | None) -> str | None:
        available, then = (
            self._memory(),
            self._then(node, lambda stamp: stamp["environment"]["peak_memory_bytes"]),
        )
        if available is None:
            return None
        if need and need.memory > available.bytes:
            remedy = need.batch_key if need.held < available.bytes else "a smaller backbone.size"
            return f"{node.label}: {_too_little('memory', need.memory, available)}. Remedy: {remedy}"
        if then and _SURE_SHARE * then > available.bytes:
            remedy = need.batch_key if need else "see what else takes memory"
            here = f"{_gib(available.bytes)} are {available.by}"
            return f"{node.label}: took {_gib(then)} of memory the last time, {here}. Remedy: {remedy}"
        return None

    def _disk_bytes(self, node: Node, need: Need | None) -> float:
        """In addition to what it has already written."""
        then = self._then(node, lambda stamp: sum(each["size"] for each in stamp["outputs"].values()))
        wanted = max(need.disk if need else 0.0, then or 0)
        directory = self._graph.directory(node)
        there = directory.rglob("*") if directory and directory.is_dir() else ()
        return max(0.0, wanted - sum(path.stat().st_size for path in there if path.is_file()))

    def _then(self, node: Node, figure: Callable[[dict[str, Any]], float]) -> float | None:
        """The least that runs of the same stage on the same images used, with any seed; None if there were
        none.

        Not known for a stage that reads results from images, such as features: nothing tells how many images
        there were.
        """
        if "data" not in node.inputs:
            return None
        config = _without_seed(node.config.model_dump(mode="json"))
        found = []
        for path in (artifacts_root(self._graph.results) / node.stage).glob("*/"):
            stamp = read_stamp(path)
            try:
                same = stamp and _without_seed(stamp["config"]) == config
                if same and stamp["lineage"].get("data") == self._graph.lineage(node).get("data"):
                    found.append(figure(stamp))
            except (LookupError, TypeError, AttributeError, OSError, ValueError):
                continue  # a stamp of another version; or `prepare` has not run, and reports more itself
        return min(found, default=None)


_DISK_REMEDY = "free some space, or doit run gc"


def _too_little(what: str, bytes_needed: float, available: Available) -> str:
    return f"needs at least {_gib(bytes_needed)} of {what}, {_gib(available.bytes)} are {available.by}"


def _gib(number: float) -> str:
    return f"{number / _GIB:.1f} GiB"


def _without_seed(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "seed"}
