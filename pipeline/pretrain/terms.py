"""What a step computes on one part of a batch: the loss, and what is watched beside it."""

from dataclasses import dataclass, field

import jittor as jt


@dataclass(frozen=True)
class Terms:
    """The loss and its parts, each ()."""

    total: jt.Var
    parts: dict[str, jt.Var]  # by the name that the log gives them behind "loss_"


@dataclass(frozen=True)
class Answers:
    """What the teacher, or the network itself where there is none, says about a batch; no gradient."""

    features: jt.Var  # (rows, D) global vectors of the base
    cls_probs: jt.Var | None = None  # (rows, K) over prototypes, of methods that have any


@dataclass(frozen=True)
class PartOutcome:
    """The loss on one part of a batch."""

    terms: Terms
    answers: Answers
    heard: dict[str, jt.Var] = field(default_factory=dict)  # means over rows that the method's state moves by
    watched: dict[str, jt.Var] = field(default_factory=dict)  # numbers for the log, each (), no gradient


def mean_terms(terms: list[Terms]) -> Terms:
    """Of the whole batch, from its equal parts."""
    total = _mean([part.total for part in terms])
    names = terms[0].parts
    return Terms(total, {name: _mean([part.parts[name] for part in terms]) for name in names})


def _mean(values: list[jt.Var]) -> jt.Var:
    # A term that still asks for a gradient would keep its whole graph, activations included, alive.
    return (sum(values) / len(values)).stop_grad()
