"""Nodes with their fingerprints and artifacts."""

from collections.abc import Callable
from pathlib import Path

from pipeline.config.section import Section, readable_values
from pipeline.graph.code_choices import Choices, chosen_entries
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.libraries import library_versions
from pipeline.graph.node import Node, program
from pipeline.storage.artifacts import (
    STAMP,
    artifact_directory,
    content_of,
    fault,
    read_stamp,
    record_experiment,
    recorded,
)
from pipeline.storage.files import sha256_of_json
from pipeline.storage.verifying import stamp_damage


class Graph:
    """Nodes with their fingerprints and artifacts.

    A fingerprint is a digest of stage, config, code, library versions and the identities of the inputs. A
    node's identity is its fingerprint, except for `prepare`, whose identity is the digest of the prepared
    data: preparing equal data again changes no later fingerprint. Until `prepare` has run, the fingerprints
    of later nodes are unknown.

    Args:
        nodes: all nodes, each after its inputs.
        results: the results folder.
        code: digests of the stages' code.
        listing: function from a config of `prepare` to a digest of its source's file listing.
        package: package of the stage modules.
    """

    def __init__(
        self,
        nodes: list[Node],
        results: Path,
        *,
        code: CodeDigests,
        listing: Callable[[Section], str],
        package: str = "stages",
    ):
        self.nodes = nodes
        self.results = results
        self.code = code
        self.package = package
        self._listing = listing
        self._choices: dict[Node, Choices] = {}
        self._listed: dict[Node, str] = {}
        self._fingerprints: dict[Node, str] = {}

    def module(self, node: Node) -> str:
        """Name of the module that runs the node."""
        return f"{self.package}.{program(node.stage)}"

    def code_of(self, node: Node, code: CodeDigests | None = None) -> str:
        """Digest of the code that the node runs; `code` replaces the graph's own digests."""
        return (code or self.code).digest(self.module(node), self._chosen(node))

    def libraries(self, node: Node) -> dict[str, str | None]:
        """Versions of the libraries with which the node computes."""
        return library_versions(self.code.libraries(self.module(node), self._chosen(node)), node.stage)

    def made_with(self, node: Node) -> dict[str, str | None]:
        """Versions of the libraries with which the node, or any node upstream of it, computes."""
        found = {}
        for each in (*map(self.made_with, node.upstream.values()), self.libraries(node)):
            found |= each
        return dict(sorted(found.items()))

    def _chosen(self, node: Node) -> Choices:
        """Architectures, methods and probes that configure the node or any node upstream of it."""
        if node not in self._choices:
            upstream = [self._chosen(each) for each in node.upstream.values()]
            self._choices[node] = chosen_entries([node.config]).union(*upstream)
        return self._choices[node]

    def identities(self, node: Node) -> dict[str, str] | None:
        """The inputs' identities, which enter the fingerprint; None if one of them is unknown.

        Raises:
            OSError, ValueError: the source of `prepare` cannot be listed.
        """
        if node.stage == "prepare":
            if node not in self._listed:
                self._listed[node] = self._listing(node.config)
            return {"listing": self._listed[node]}
        found = {name: self._identity(upstream) for name, upstream in node.upstream.items()}
        return None if None in found.values() else found

    def fingerprint(self, node: Node) -> str | None:
        """Fingerprint of a node; None until `prepare` has run.

        Raises:
            OSError, ValueError: the source of `prepare` cannot be listed.
        """
        if node not in self._fingerprints:
            identities = self.identities(node)
            if identities is None:
                return None
            self._fingerprints[node] = sha256_of_json(
                {
                    "stage": node.stage,
                    "config": readable_values(node.config),
                    "code": self.code_of(node),
                    "libraries": self.libraries(node),
                    "inputs": identities,
                }
            )
        return self._fingerprints[node]

    def directory(self, node: Node) -> Path | None:
        """Artifact directory of a node; None while its fingerprint is unknown."""
        fingerprint = self.fingerprint(node)
        return fingerprint and artifact_directory(self.results, node.stage, fingerprint)

    def lineage(self, node: Node) -> dict[str, str]:
        """Digest of each input artifact's present content; inputs without a stamp are left out."""
        found = {}
        for name, upstream in node.upstream.items():
            directory = self.directory(upstream)
            stamp = read_stamp(directory) if directory else None
            if stamp:
                found[name] = content_of(stamp)
        return found

    def fault(self, node: Node) -> str | None:
        """Why a node has to run; None if its artifact is current."""
        if node.stage == "prepare":
            try:
                self.identities(node)
            except (OSError, ValueError) as error:
                return str(error)
        directory = self.directory(node)
        if directory is None:
            return "waits for prepare"
        reason = fault(directory, self.fingerprint(node))
        if reason:
            return reason
        stamp = read_stamp(directory)
        if wrong := stamp_damage(stamp):
            return f"{STAMP} is damaged: expected {wrong[0]}, found {wrong[1]}"
        # An input made again may differ, e.g. on another device, although its fingerprint does not.
        read = stamp.get("lineage", {})
        now = self.lineage(node)
        changed = [name for name in now if read.get(name) != now[name]]
        return f"{', '.join(changed)} was made again and differs" if changed else None

    def record(self, name: str, config: dict, argument: str) -> None:
        """Write experiment `name`'s record of all existing artifacts, and link them in its folder.

        `config` and `argument` are as for `record_experiment`.

        An artifact whose fingerprint is unknown now, as when changed images are not prepared yet, stays in
        the record: it may still be current, and must not be deleted by `gc`.
        """
        before = recorded(self.results, name)
        known: dict[str, Path] = {}
        for node in self.nodes:
            try:
                directory = self.directory(node)
            except (OSError, ValueError):  # the source cannot be listed at the moment
                directory = None
            directory = directory or before.get(node.link)
            if directory and directory.is_dir():
                known[node.link] = directory
        record_experiment(self.results, name, config=config, artifacts=known, argument=argument)

    def _identity(self, node: Node) -> str | None:
        if node.stage != "prepare":
            return self.fingerprint(node)
        if self.fault(node):
            return None
        return content_of(read_stamp(self.directory(node)))
