"""The result of one known-answer test."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """The result found on this machine, beside the expected one."""

    name: str  # of the test
    found: str
    expected: str
    error: float  # distance between the two, in the unit of `tolerance`; NaN where nothing was found
    tolerance: float
    remedy: str

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.error <= self.tolerance


def answer_rows(answers: list[Answer]) -> list[tuple[str, ...]]:
    """Rows (name, state, found, expected, tolerance, remedy) to print; right answers have no remedy."""
    return [
        (
            each.name,
            "ok" if each.ok else "FAILED",
            each.found,
            each.expected,
            f"{each.tolerance:.0e}",
            "" if each.ok else each.remedy,
        )
        for each in answers
    ]
