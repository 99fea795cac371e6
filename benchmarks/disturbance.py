"""Measures the processor time that others took: the host's other guests, and other programs."""

import os
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
# Share above which a measurement is repeated: about the variation between repeats of one program.
MAX_SHARE = 0.03
_IDLE = ("idle", "iowait")
_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")  # the first of a line `cpu`


@dataclass(frozen=True)
class Disturbance:
    """Shares of all processors' time that others took."""

    stolen: float  # by the host, for its other guests
    others: float  # by programs other than the measured ones

    @property
    def share(self) -> float:
        """The sum of both shares."""
        return self.stolen + self.others

    @property
    def is_noisy(self) -> bool:
        """Whether the disturbance is large enough to affect the measurement."""
        return self.share > MAX_SHARE

    @property
    def description(self) -> str:
        """The disturbance as text for a report."""
        return f"the host took {self.stolen:.0%} of the processors' time and other programs {self.others:.0%}"


QUIET = Disturbance(0.0, 0.0)


class ProcessorTime:
    """Counts processor time from its construction. Child processes count as ours once they were waited for.

    Args:
        stat: the kernel's table of processor time.
    """

    def __init__(self, stat: Path = STAT):
        self._stat = stat
        self._first, self._ours = _seconds(stat), _our_seconds()

    def disturbance(self) -> Disturbance:
        """The disturbance since the construction."""
        passed = {name: now - self._first[name] for name, now in _seconds(self._stat).items()}
        total = sum(passed.values())
        if total <= 0:
            return QUIET
        busy = total - passed["steal"] - sum(passed[name] for name in _IDLE)
        others = busy - (_our_seconds() - self._ours)
        return Disturbance(passed["steal"] / total, max(0.0, others) / total)


def _seconds(stat: Path) -> dict[str, float]:
    ticks = os.sysconf("SC_CLK_TCK")
    counts = stat.read_text().split("\n", 1)[0].split()[1:]
    return {name: int(count) / ticks for name, count in zip(_FIELDS, counts, strict=False)}


def _our_seconds() -> float:
    """Processor time of this process and of all children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
