"""Checks that memory does not grow over thousands of steps of a toy network."""

from pathlib import Path

from benchmarks.our_step import OurStep
from benchmarks.resident import resident_mib


class MemoryGrowth:
    """A repeat returns, in %, how much more memory is held after `late` steps than after `early` ones."""

    def __init__(self, parameters: dict, folder: Path):
        self.early, self.late = parameters.get("early", 20), parameters.get("late", 2000)
        self.run = OurStep({**parameters, "size": "toy", "steps": 1, "checked": 1}, folder)
        self.check: dict[str, float] = {}

    def repeat(self) -> float:
        for _ in range(self.early - self.run.state.step):
            self.run.repeat()
        before = resident_mib()
        for _ in range(self.late - self.early):
            self.run.repeat()
        return 100 * (resident_mib() / before - 1)
