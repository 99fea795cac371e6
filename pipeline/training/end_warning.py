"""The warning signal that a cluster sends shortly before it ends a job at its time limit."""

import os
import signal
import threading
from types import FrameType

WARNING = signal.SIGUSR2  # ends a process that does not handle it


class EndWarning:
    """Handles the warning signal from construction to `close`; only in the main thread.

    Attributes:
        given: whether the signal has arrived.
    """

    def __init__(self) -> None:
        self.given = False
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            signal.signal(WARNING, self._note)

    def end(self) -> None:
        """End this process with the warning's signal, so that its parent knows the reason."""
        self.close()
        os.kill(os.getpid(), WARNING)

    def close(self) -> None:
        """Restore the signal's default action, which ends the process."""
        if self._listens:
            signal.signal(WARNING, signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.given = True
