"""The loss of a step with its terms, on the device until they are read."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jittor as jt

from pipeline.ranks.exchange import Ranks

_MOST_NAMES = 16  # of images, in a message


@dataclass(frozen=True)
class Losses:
    """The total loss and its terms, each of shape (1,): Jittor has no shape ()."""

    total: jt.Var
    terms: dict[str, jt.Var]

    def detached(self) -> "Losses":
        """The same values without their graph, which holds the activations."""
        return Losses(self.total.detach(), {name: term.detach() for name, term in self.terms.items()})

    def mean_over(self, ranks: Ranks) -> "Losses":
        """The means over ranks, detached."""
        return Losses(*ranks.all_reduce_mean([self.total]), ranks.all_reduce_mean_of(self.terms))


def mean_losses(losses: Sequence[Losses]) -> Losses:
    """The losses of a batch from those of its equal microbatches."""
    if len(losses) == 1:
        return losses[0]
    names = losses[0].terms
    return Losses(
        mean([each.total for each in losses]),
        {name: mean([each.terms[name] for each in losses]) for name in names},
    )


def mean(values: Sequence[jt.Var]) -> jt.Var:
    """The mean of variables of one shape."""
    return sum(values) / len(values)


def read_losses(
    step: int, losses: Mapping[str, jt.Var], image_names: Callable[[], Sequence[str]]
) -> dict[str, float]:
    """The losses as numbers; waits for the device.

    Args:
        step: number of the step, for the message.
        image_names: returns the names of the step's images; called if a loss is not finite.

    Raises:
        FloatingPointError: a loss is not finite; names the step, every loss and the images.
    """
    values = {name: float(value.item()) for name, value in losses.items()}
    bad = {name: value for name, value in values.items() if not math.isfinite(value)}
    if bad:
        names = list(image_names())
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        raise FloatingPointError(
            f"step {step}: non-finite losses {bad}; all losses: {values}; "
            f"images: {', '.join(names[:_MOST_NAMES])}{more}"
        )
    return values
