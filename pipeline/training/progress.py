"""A training's report after each logged step."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The state of a training after a logged step."""

    step: int  # steps done
    num_steps: int
    metrics: dict[str, float]
    warning: str | None
