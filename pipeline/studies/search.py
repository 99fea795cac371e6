"""The table of `search`: candidates ranked by score, their costs, and the chosen one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.config.studies import SearchConfig
from pipeline.graph.chosen_head import CHOSEN_HEAD, head_section
from pipeline.search.files import COST, SCORES
from pipeline.storage.files import read_json, write_text
from pipeline.storage.runs import Run
from pipeline.studies.comparison import MEASURES, Line, describe_head, mean_and_std
from pipeline.studies.files import Column, number, text, write_study

PROXIES = (*MEASURES, "auxiliary_loss")
COLUMN_TITLES = {
    "cka": "1 - CKA",
    "cosine": "cosine dist.",
    "kl": "KL (nats)",
    "auxiliary_loss": "own loss (nats)",
}


def write_search(directory: Path, config: SearchConfig, trainings: Sequence[Run]) -> None:
    """Write search.{md,csv,tex,json,txt} and the chosen head.

    Args:
        trainings: artifacts of the joint training, one for each seed.

    Raises:
        ValueError: no candidate has the score that ranks them.
    """
    scores = [read_json(run.directory / SCORES) for run in trainings]
    costs = [read_json(run.directory / COST) for run in trainings]
    lines = ranked([_candidate(config, name, scores, costs) for name in config.heads], config.ranking)
    chosen = lines[0]
    if chosen[config.ranking] is None:
        raise ValueError(f"no candidate has a score {config.ranking!r}: every network collapsed")
    total = _total_cost(costs)
    columns = [
        number("rank", "rank", digits=0),
        text("candidate", "name"),
        text("head", "head"),
        *(number(COLUMN_TITLES[proxy], proxy) for proxy in PROXIES),
        Column("error", lambda line: _error(line, config.ranking)),
        Column("parameters", lambda line: f"{line['parameters']:,}"),
        number("s/step alone", "seconds_alone"),
    ]
    write_study(
        directory,
        "search",
        lines,
        columns,
        _sentences(config, lines, total, [run.key.seed for run in trainings]),
        extra={"ranking": config.ranking, "chosen": chosen["name"], "cost": total},
    )
    write_text(directory / CHOSEN_HEAD, head_section(config.heads[chosen["name"]]))


def ranked(lines: list[Line], ranking: str) -> list[Line]:
    """The candidates by descending score; those without a score come last."""
    ordered = sorted(lines, key=lambda line: (line[ranking] is None, -(line[ranking] or 0.0), line["name"]))
    return [{"rank": index, **line} for index, line in enumerate(ordered, start=1)]


def within_errors(lines: list[Line], ranking: str) -> list[str]:
    """Names of candidates whose score differs from the first one's by at most two standard errors."""
    first, names = lines[0], []
    for line in lines[1:]:
        values = [one[key] for one in (first, line) for key in (ranking, f"{ranking}_se")]
        if None not in values:
            best, best_error, value, error = values
            # Taken as independent. The errors come from the same images, so this is conservative.
            if best - value <= 2 * (best_error**2 + error**2) ** 0.5:
                names.append(line["name"])
    return names


def _candidate(
    config: SearchConfig, name: str, scores: list[dict[str, Any]], costs: list[dict[str, Any]]
) -> Line:
    line: Line = {"name": name, "head": describe_head(config.heads[name])}
    for proxy in PROXIES:
        mean, std = mean_and_std([of_seed[name].get(proxy) for of_seed in scores])
        error, _ = mean_and_std([of_seed[name].get(f"{proxy}_se") for of_seed in scores])
        line |= {proxy: mean, f"{proxy}_std": std, f"{proxy}_se": error}
    seconds, _ = mean_and_std([cost["candidates"][name]["seconds_alone"] for cost in costs])
    return line | {"parameters": costs[0]["candidates"][name]["parameters"], "seconds_alone": seconds}


def _total_cost(costs: list[dict[str, Any]]) -> dict[str, float]:
    joint, _ = mean_and_std([cost["seconds_joint"] for cost in costs])
    alone, _ = mean_and_std(
        [sum(of_one["seconds_alone"] for of_one in cost["candidates"].values()) for cost in costs]
    )
    return {
        "num_steps": costs[0]["num_steps"],
        "seconds_joint_step": joint,
        "seconds_alone_steps": alone,
        "share": joint / alone,
    }


def _sentences(
    config: SearchConfig, lines: list[Line], total: dict[str, float], seeds: list[int]
) -> list[str]:
    chosen, close = lines[0], within_errors(lines, config.ranking)
    also = f"; not told apart from it by these images: {', '.join(close)}" if close else ""
    return [
        f"chosen: {chosen['name']} ({chosen['head']}), the largest {COLUMN_TITLES[config.ranking]} of "
        f"{len(lines)} candidates{also}",
        f"cost: a joint step takes {total['seconds_joint_step']:.3g} s, a step of every candidate alone "
        f"{total['seconds_alone_steps']:.3g} s in all: the search costs {100 * total['share']:.0f} % of "
        f"training each alone for as long ({total['num_steps']:.0f} steps; medians of a few steps here)",
        f"seeds {' '.join(map(str, seeds))}; ± is the standard deviation over seeds, `error` the "
        "jackknife standard error of the score over held-out images",
        "no labels were used; `doit run search-validate` shows whether to trust the ranking; the proxies and "
        "the joint training are this project's own",
    ]


def _error(line: Line, proxy: str) -> str:
    error = line[f"{proxy}_se"]
    return "" if error is None else f"{error:.3f}"
