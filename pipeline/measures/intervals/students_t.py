"""Student's t interval of a mean over seeds."""

from scipy.special import stdtrit


def half_width(std: float, count: int, *, confidence: float) -> float:
    """Half the width of the interval of a mean over a sample of seeds.

    Args:
        std: standard deviation over the seeds, with n - 1.
        count: number of seeds, two or more.
        confidence: between 0 and 1.

    Source:
        Student, The Probable Error of a Mean (1908).
    """
    return float(stdtrit(count - 1, (1 + confidence) / 2) * std / count**0.5)
