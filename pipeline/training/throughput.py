"""How fast a training runs, how long it waits for data, and when it is to be saved."""

import time


class Throughput:
    """Images per second, share of time spent waiting for data, and when to save."""

    def __init__(self, step: int, batch_size: int):
        self._batch_size = batch_size
        self._step, self._since = step, time.monotonic()
        self._waited, self._idle_from = 0.0, self._since
        self._saved = self._since

    def batch_arrived(self) -> None:
        """Note that the batch of the next step is there."""
        self._waited += time.monotonic() - self._idle_from

    def read(self, step: int) -> dict[str, float]:
        """Speed and waiting since the last reading; `step` steps are done."""
        now = time.monotonic()
        elapsed = max(now - self._since, 1e-9)
        measured = {
            "images_per_second": (step - self._step) * self._batch_size / elapsed,
            "data_wait_share": min(1.0, self._waited / elapsed),
        }
        self._step, self._since, self._waited = step, now, 0.0
        return measured

    def batch_requested(self) -> None:
        """Note that a step is over and the next batch is requested."""
        self._idle_from = time.monotonic()

    def checkpoint_due(self, minutes: float) -> bool:
        """Whether so many minutes have passed since the start or the last True."""
        now = time.monotonic()
        if now - self._saved < 60 * minutes:
            return False
        self._saved = now
        return True
