"""The warning that this process will be ended soon, as a cluster gives it before a job's time is over."""

import os
import signal
import threading
from types import FrameType

WARNING = signal.SIGUSR2  # a process that does not listen is ended by it at once


class EndWarning:
    """Listens for the warning from when it is made until it is closed; in a thread it hears none."""

    def __init__(self) -> None:
        self.given = False
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            signal.signal(WARNING, self._note)

    def end(self) -> None:
        """End this process by the warning's signal, by which whoever started it knows why."""
        self.close()
        os.kill(os.getpid(), WARNING)

    def close(self) -> None:
        """Let the warning end this process at once again."""
        if self._listens:
            signal.signal(WARNING, signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.given = True
