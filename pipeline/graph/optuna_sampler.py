"""Suggests the next trial of a search from the results so far, with the library Optuna."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from pipeline.config.sweep import Changes, rounded

REMEDY = "pip install -e '.[optuna]'"


def check_installed() -> None:
    """Check that Optuna is installed.

    Raises:
        ValueError: it is not.
    """
    if find_spec("optuna") is None:
        raise ValueError(f'sweep.sampler = "optuna" needs the library Optuna: {REMEDY}')


def suggested(
    choices: dict[str, Any], history: Sequence[tuple[Changes, float | None]], *, seed: int, maximize: bool
) -> Changes:
    """The values of the next trial; a function of the arguments alone, so that a search can be resumed.

    Args:
        choices: by dotted key a list to choose from, or {low, high, log}.
        history: the values and the result of each trial so far, in order; None: it failed.
        seed: of the search.
        maximize: whether higher results are better.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A new sampler per trial, seeded by the trial's number: no state has to be saved.
    sampler = optuna.samplers.TPESampler(seed=1_000_003 * seed + len(history))
    study = optuna.create_study(sampler=sampler, direction="maximize" if maximize else "minimize")
    distributions = {key: _distribution(choice) for key, choice in choices.items()}
    for changes, result in history:
        state = optuna.trial.TrialState.FAIL if result is None else optuna.trial.TrialState.COMPLETE
        params = {key: _encoded(changes[key], choice) for key, choice in choices.items()}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=result, state=state)
        )
    params = study.ask(distributions).params
    return {key: _decoded(params[key], choice) for key, choice in choices.items()}


def _distribution(choice: Any) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(choice, dict):
        return CategoricalDistribution([_text(each) for each in choice])
    low, high, log = choice["low"], choice["high"], choice.get("log", False)
    whole = isinstance(low, int) and isinstance(high, int)
    return IntDistribution(low, high, log=log) if whole else FloatDistribution(low, high, log=log)


def _text(value: Any) -> str:
    """A choice in a form that Optuna can store, which has no lists and takes `true` for 1."""
    return json.dumps(value)


def _encoded(value: Any, choice: Any) -> Any:
    return value if isinstance(choice, dict) else _text(value)


def _decoded(param: Any, choice: Any) -> Any:
    if isinstance(choice, dict):
        # The ends may have more digits than the numbers of trials.
        return min(max(rounded(param, choice), choice["low"]), choice["high"])
    return json.loads(param)
