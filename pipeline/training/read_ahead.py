"""Files of images, read window by window ahead of their use, in bounded memory."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from pipeline.training.block_order import BlockOrder, Window

Contents = list[bytes | None]


class ReadAhead:
    """Reads each window block by block in a thread of its own, while the window before it is used.

    Two windows are held, each without what was taken of it. What is asked for once more, or of a window that
    has gone, is read anew: what is returned depends on what is asked for alone.

    Args:
        read: the files of some images, by their places; called with one block at a time.
        last: no window after this one is needed.
    """

    def __init__(self, order: BlockOrder, read: Callable[[np.ndarray], Contents], last: Window) -> None:
        self._order, self._read, self._last = order, read, last
        self._lock = threading.Lock()
        self._held: dict[Window, Future[dict[int, bytes | None]]] = {}
        self._newest = Window(0, 0)  # that was asked for
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")

    def take(self, window: Window, positions: np.ndarray) -> Contents:
        """The files of some images of a window, in the order of `positions`. Safe to call from many threads.

        Raises:
            Exception: what `read` raised for any image of the window.
        """
        with self._lock:
            self._newest = max(self._newest, window)
            for old in [each for each in self._held if self._order.next(each) < self._newest]:
                del self._held[old]
            if window == self._newest:
                self._ask(window)
            if window < self._last:
                self._ask(self._order.next(window))
            future = self._held.get(window)
        if future is None:
            return self._read(positions)
        contents = future.result()
        with self._lock:
            taken = {place: contents.pop(place) for place in positions.tolist() if place in contents}
            if not contents:
                self._held.pop(window, None)
        if len(taken) < len(positions):
            missing = np.array([place for place in positions.tolist() if place not in taken])
            taken |= zip(missing.tolist(), self._read(missing), strict=True)
        return [taken[place] for place in positions.tolist()]

    def _ask(self, window: Window) -> None:
        if window not in self._held and window >= self._newest:
            self._held[window] = self._pool.submit(self._load, window)

    def _load(self, window: Window) -> dict[int, bytes | None]:
        contents = {}
        for block in self._order.blocks(window):
            contents |= zip(block.tolist(), self._read(block), strict=True)
        return contents
