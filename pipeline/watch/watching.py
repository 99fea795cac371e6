"""The loop of `doit run watch`."""

import time
from contextlib import suppress

from rich.console import Console, Group
from rich.live import Live

from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.watch.losses import loss_curves
from pipeline.watch.states import DONE, StageState, stage_states
from pipeline.watch.view import screen

_REFRESH_SECONDS = 5.0
_OTHER_LINES = 16  # curves, notes, the closing line


def watch(
    experiment: str, argument: str, graph: Graph, nodes: list[Node], console: Console, at_once: int = 1
) -> None:
    """Show the experiment until it is finished or Ctrl-C is pressed; once, if the console is no terminal.

    Args:
        argument: the value of `experiment=`.
        at_once: how many stages run in parallel.
    """

    def shown(states: list[StageState], max_lines: int) -> Group:
        losses = loss_curves(graph, nodes)
        return screen(experiment, argument, states, losses, max_lines=max_lines, at_once=at_once)

    if not console.is_terminal:
        states = stage_states(graph, nodes, at_once)
        console.print(shown(states, len(states)))
        return
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        while True:
            states = stage_states(graph, nodes, at_once)
            max_lines = max(console.height - _OTHER_LINES, 8)
            live.update(shown(states, max_lines), refresh=True)
            if all(state.state == DONE for state in states):
                return
            time.sleep(_REFRESH_SECONDS)
