"""Measures a training's speed and its waiting for data, and times its checkpoints."""

import time


class Throughput:
    """Images per second, share of the time spent waiting for data, and time since the last checkpoint."""

    def __init__(self, step: int, batch_size: int):
        self._batch_size = batch_size
        self._step, self._since = step, time.monotonic()
        self._waited, self._idle_from = 0.0, self._since
        self._saved = self._since

    def batch_arrived(self) -> None:
        """Record that the batch of the next step has arrived."""
        self._waited += time.monotonic() - self._idle_from

    def read(self, step: int) -> dict[str, float]:
        """Speed and waiting share since the last call, after `step` steps in all."""
        now = time.monotonic()
        elapsed = max(now - self._since, 1e-9)
        measured = {
            "images_per_second": (step - self._step) * self._batch_size / elapsed,
            "data_wait_share": min(1.0, self._waited / elapsed),
        }
        self._step, self._since, self._waited = step, now, 0.0
        return measured

    def batch_requested(self) -> None:
        """Record that a step is over and the next batch is requested."""
        self._idle_from = time.monotonic()

    def checkpoint_due(self, minutes: float) -> bool:
        """Whether so many minutes have passed since the start, or since this last returned True."""
        now = time.monotonic()
        if now - self._saved < 60 * minutes:
            return False
        self._saved = now
        return True
