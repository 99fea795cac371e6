"""A row of the benchmark: two programs, or ours alone, with parameters and targets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A bound on one number of a row's object in benchmark.json."""

    quantity: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def description(self) -> str:
        """The bound as text, such as "ratio >= 2.5"."""
        return f"{self.quantity} " + (
            f">= {self.at_least:g}" if self.at_most is None else f"<= {self.at_most:g}"
        )

    def met(self, value: float | None) -> bool | None:
        """Whether `value` is within the bound; None: unknown."""
        if value is None:
            return None
        return value >= self.at_least if self.at_most is None else value <= self.at_most


@dataclass(frozen=True)
class Row:
    """A comparison of two programs, or a measurement of ours alone."""

    name: str
    title: str
    unit: str  # "s", items per second, or another quantity that the programs return
    ours: str  # key of PROGRAMS
    other: str | None = None
    other_name: str | None = None
    needs: tuple[str, ...] = ()  # packages without which `other` cannot run
    parameters: Parameters = field(default_factory=dict)
    other_parameters: Parameters = field(default_factory=dict)  # those that differ for the other program
    toy: Parameters = field(default_factory=dict)  # parameters that differ at toy size
    impossible: Callable[[], str] = lambda: ""  # why the row cannot be measured on this machine
    # Number of items in a repeat: values are items / seconds. None: values are those that programs return.
    items: Callable[[Parameters], float] | None = None
    higher_is_better: bool = False
    flops: Callable[[Parameters], float] | None = None  # operations of one repeat
    tolerance: float = 2e-3  # relative, for the numbers that both programs check
    targets: tuple[Target, ...] = ()
    repeats: int = 7
    seconds: float = 40.0  # for the repeats of both programs together
    by_default: bool = True  # measured if the user names no row
    # When our program reports its slowest operations.
    profile: Literal["never", "if a target is missed", "always"] = "never"
