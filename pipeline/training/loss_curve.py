"""Warnings of loss spikes and of a loss that does not fall."""

from collections.abc import Iterable, Mapping

import numpy as np

_LINES = 20  # log lines over which medians are taken
# A spike is at least so many deviations, and this share of the median, above the median of the lines before.
_SPIKE_DEVIATIONS, _SPIKE_SHARE = 8.0, 0.1
_FLAT_SHARE = 0.005  # of the loss; a smaller change counts as none
_FLAT_AFTER = 0.5  # share of the steps; before it plateaus are common, as while prototypes are frozen


class LossCurve:
    """Follows the logged losses of a training and warns of spikes, once each, and of a flat loss, once.

    Args:
        num_steps: of the whole training.
        lines: the log so far, if the training is resumed.
    """

    def __init__(self, num_steps: int, lines: Iterable[Mapping[str, float]] = ()) -> None:
        self._num_steps = num_steps
        self._losses: list[float] = []
        self._in_spike = self._warned_flat = False
        for line in lines:
            if "loss" in line:
                self.warning(line)

    def warning(self, metrics: Mapping[str, float]) -> str | None:
        """Add one log line, and return a warning or None."""
        loss, step = metrics["loss"], metrics["step"]
        text = self._spike(loss, step) or self._flat(step)
        self._losses.append(loss)
        return text

    def _spike(self, loss: float, step: float) -> str | None:
        before = np.array(self._losses[-_LINES:])
        if len(before) < _LINES:
            return None
        usual = float(np.median(before))
        deviation = 1.4826 * float(np.median(np.abs(before - usual)))  # sigma, of a normal distribution
        was_in_spike = self._in_spike
        self._in_spike = loss > usual + max(_SPIKE_DEVIATIONS * deviation, _SPIKE_SHARE * abs(usual))
        if not self._in_spike or was_in_spike:
            return None
        return f"loss spike: {loss:.4g} at step {step}, after {usual:.4g} (median of the last {_LINES} lines)"

    def _flat(self, step: float) -> str | None:
        if self._warned_flat or step < _FLAT_AFTER * self._num_steps or len(self._losses) < 3 * _LINES:
            return None
        first, last = np.median(self._losses[:_LINES]), np.median(self._losses[-_LINES:])
        if abs(first - last) > _FLAT_SHARE * abs(first):
            return None
        self._warned_flat = True
        return (
            f"flat loss: {last:.4g} by step {step}, {first:.4g} at the start: nothing is learnt, "
            "unless other curves move"
        )
