"""What a training reports while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """After a logged step."""

    step: int  # done
    num_steps: int
    metrics: dict[str, float]
    warning: str | None
