"""Reads image files window by window ahead of their use, in bounded memory."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from pipeline.training.block_order import BlockOrder, Window

Contents = list[bytes | None]


class ReadAhead:
    """Reads each window block by block in a background thread while the window before it is used.

    At most two windows are held; files are dropped once taken. Files that are requested again, or of a window
    no longer held, are read directly: so the result depends on the request alone.

    Args:
        read: returns the files of the given images; called with one block at a time.
        last: the last window that is needed.
    """

    def __init__(self, order: BlockOrder, read: Callable[[np.ndarray], Contents], last: Window) -> None:
        self._order, self._read, self._last = order, read, last
        self._lock = threading.Lock()
        self._held: dict[Window, Future[dict[int, bytes | None]]] = {}
        self._newest = Window(0, 0)  # that was requested
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")

    def take(self, window: Window, images: np.ndarray) -> Contents:
        """The files of some images of a window, (m,) int64, in this order. Thread-safe.

        Raises:
            Exception: raised by `read` for any image of the window.
        """
        with self._lock:
            self._newest = max(self._newest, window)
            for old in [each for each in self._held if self._order.next(each) < self._newest]:
                del self._held[old]
            if window == self._newest:
                self._request(window)
            if window < self._last:
                self._request(self._order.next(window))
            future = self._held.get(window)
        if future is None:
            return self._read(images)
        contents = future.result()
        with self._lock:
            taken = {image: contents.pop(image) for image in images.tolist() if image in contents}
            if not contents:
                self._held.pop(window, None)
        if len(taken) < len(images):
            missing = np.array([image for image in images.tolist() if image not in taken])
            taken |= zip(missing.tolist(), self._read(missing), strict=True)
        return [taken[image] for image in images.tolist()]

    def _request(self, window: Window) -> None:
        if window not in self._held and window >= self._newest:
            self._held[window] = self._pool.submit(self._load, window)

    def _load(self, window: Window) -> dict[int, bytes | None]:
        contents = {}
        for block in self._order.blocks(window):
            contents |= zip(block.tolist(), self._read(block), strict=True)
        return contents
