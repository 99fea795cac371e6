"""Does the loss jump, or not fall at all? Warnings by the logged losses."""

from collections.abc import Iterable, Mapping

import numpy as np

_LINES = 20  # of the log, that are compared with others
# A spike is this far above the median of the lines before it: in their deviations, and as a share of it.
_SPIKE_DEVIATIONS, _SPIKE_SHARE = 8.0, 0.1
_FLAT_SHARE = 0.005  # of the loss: less has not moved it
_FLAT_AFTER = 0.5  # share of the steps: before, a plateau is common, as while prototypes are frozen


class LossCurve:
    """The logged losses of a training, and what should be said of them. It says each thing once.

    Args:
        num_steps: of the whole training.
        lines: of the log so far, where the training goes on.
    """

    def __init__(self, num_steps: int, lines: Iterable[Mapping[str, float]] = ()) -> None:
        self._num_steps = num_steps
        self._losses: list[float] = []
        self._in_spike = self._said_flat = False
        for line in lines:
            if "loss" in line:
                self.warning(line)

    def warning(self, metrics: Mapping[str, float]) -> str | None:
        """Take one more line, and return what is to be said; None if nothing is."""
        loss, step = metrics["loss"], metrics["step"]
        text = self._spike(loss, step) or self._flat(step)
        self._losses.append(loss)
        return text

    def _spike(self, loss: float, step: float) -> str | None:
        before = np.array(self._losses[-_LINES:])
        if len(before) < _LINES:
            return None
        usual = float(np.median(before))
        deviation = 1.4826 * float(np.median(np.abs(before - usual)))  # of a normal distribution: its sigma
        was_in_spike = self._in_spike
        self._in_spike = loss > usual + max(_SPIKE_DEVIATIONS * deviation, _SPIKE_SHARE * abs(usual))
        if not self._in_spike or was_in_spike:
            return None
        return f"loss spike: {loss:.4g} at step {step}, after {usual:.4g} (median of the last {_LINES} lines)"

    def _flat(self, step: float) -> str | None:
        if self._said_flat or step < _FLAT_AFTER * self._num_steps or len(self._losses) < 3 * _LINES:
            return None
        first, last = np.median(self._losses[:_LINES]), np.median(self._losses[-_LINES:])
        if abs(first - last) > _FLAT_SHARE * abs(first):
            return None
        self._said_flat = True
        return (
            f"flat loss: {last:.4g} by step {step}, {first:.4g} at the start: nothing is learnt, "
            "unless other curves move"
        )
