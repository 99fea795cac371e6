"""One known answer beside what was found here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What was asked, what came out, and what should have."""

    what: str
    found: str
    expected: str
    error: float  # how far the two are apart, in the unit of `tolerance`; NaN where nothing came out
    tolerance: float
    remedy: str

    @property
    def ok(self) -> bool:
        """Whether the answer is right; NaN is not."""
        return self.error <= self.tolerance


def answer_rows(answers: list[Answer]) -> list[tuple[str, ...]]:
    """Rows (what, state, found, expected, tolerance, remedy) to print; a remedy only where it is needed."""
    return [
        (
            each.what,
            "ok" if each.ok else "FAILED",
            each.found,
            each.expected,
            f"{each.tolerance:.0e}",
            "" if each.ok else each.remedy,
        )
        for each in answers
    ]
