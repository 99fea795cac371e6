"""How many seeds are needed to show a difference: the power of Student's t test of its mean over seeds."""

from scipy.special import nctdtr, stdtrit

POWER = 0.8  # probability of showing an existing difference; the usual choice
MOST_SEEDS = 1000


def seeds_to_show(difference: float, std: float, *, confidence: float) -> int | None:
    """The fewest seeds with which a true mean of this size is shown with probability POWER.

    Args:
        difference: mean over seeds.
        std: standard deviation over seeds, with n - 1.
        confidence: of the interval that must exclude 0.

    Returns:
        Two or more; None if MOST_SEEDS do not suffice.

    Source:
        Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2; by the noncentral t
        distribution.
    """
    if std == 0:
        return 2 if difference else None
    low, high = 2, MOST_SEEDS
    if _power(abs(difference) / std, high, confidence) < POWER:
        return None
    while low < high:  # power increases with the number of seeds
        middle = (low + high) // 2
        if _power(abs(difference) / std, middle, confidence) < POWER:
            low = middle + 1
        else:
            high = middle
    return low


def _power(effect: float, count: int, confidence: float) -> float:
    """Power of the two-sided test with `count` seeds.

    Args:
        effect: mean by standard deviation, not negative.
    """
    bound, shift = stdtrit(count - 1, (1 + confidence) / 2), effect * count**0.5
    return float(1 - nctdtr(count - 1, shift, bound) + nctdtr(count - 1, shift, -bound))
