"""Tells which nodes compute the same, before anything has run."""

from pipeline.graph.node import Node
from pipeline.storage.files import sha256_of_json


class Computations:
    """Digests of what nodes compute: of stage, settings and inputs, independent of the nodes' names."""

    def __init__(self) -> None:
        self._known: dict[Node, str] = {}

    def digest(self, node: Node) -> str:
        """Equal for two nodes that would compute the same."""
        if node not in self._known:
            inputs = {name: self.digest(upstream) for name, upstream in node.upstream.items()}
            self._known[node] = sha256_of_json([node.stage, node.config.model_dump(mode="json"), inputs])
        return self._known[node]
