"""The loop of `doit run watch`."""

import time
from contextlib import suppress

from rich.console import Console
from rich.live import Live

from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.watch.losses import loss_courses
from pipeline.watch.states import DONE, stage_states
from pipeline.watch.view import screen

_REFRESH_SECONDS = 5.0
_LINES_BESIDE_STAGES = 16  # curves, notes, the closing line


def watch(experiment: str, graph: Graph, nodes: list[Node], console: Console) -> None:
    """Show the experiment until it is finished or Ctrl-C; once, where the console is no terminal."""
    if not console.is_terminal:
        states = stage_states(graph, nodes)
        console.print(screen(experiment, states, loss_courses(graph, nodes), max_lines=len(states)))
        return
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        while True:
            states = stage_states(graph, nodes)
            room = max(console.height - _LINES_BESIDE_STAGES, 8)
            live.update(screen(experiment, states, loss_courses(graph, nodes), max_lines=room), refresh=True)
            if all(state.state == DONE for state in states):
                return
            time.sleep(_REFRESH_SECONDS)
