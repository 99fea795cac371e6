"""The table of `search-validate`: the search's ranking against the gain of each candidate trained alone."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.config.studies import SearchValidateConfig
from pipeline.report.tables import points
from pipeline.storage.files import read_json
from pipeline.storage.runs import Run
from pipeline.studies.ablation import DEFINITIONS, MEASURE_COLUMNS
from pipeline.studies.agreement import agreement
from pipeline.studies.comparison import Line, compared_lines
from pipeline.studies.files import gain, number, percent, text, write_study
from pipeline.studies.search import COLUMN_TITLES, PROXIES

GAIN = "knn_gain"


def write_search_validation(
    directory: Path, config: SearchValidateConfig, search: Path, runs: Iterable[Run]
) -> None:
    """Write search-validate.{md,csv,tex,json,txt}.

    Args:
        search: artifact of the stage `search`.
        runs: see `compared_lines`.
    """
    found = {line["name"]: line for line in read_json(search / "search.json")["lines"]}
    lines = [_joined(line, found.get(line["name"], {})) for line in compared_lines(config, runs)]
    lines.sort(key=lambda line: (line["rank"] is not None, line["rank"]))
    heads = [line for line in lines if line["name"] in config.heads]
    # The score that ranked the candidates comes first; the others are there for comparison.
    proxies = sorted(PROXIES, key=lambda proxy: proxy != config.ranking)
    agreements = [agreement(heads, f"search_{proxy}", GAIN, config) for proxy in proxies]
    agreements.append(agreement(heads, "cka", GAIN, config))
    columns = [
        number("rank", "rank", digits=0),
        text("candidate", "name"),
        text("head", "head"),
        number(f"search: {COLUMN_TITLES[config.ranking]}", f"search_{config.ranking}"),
        *MEASURE_COLUMNS,
        percent("knn %", "knn"),
        *gain(config.baseline, GAIN, config.confidence),
    ]
    write_study(
        directory,
        "search-validate",
        lines,
        columns,
        [
            *(one.sentence(config.confidence) for one in agreements),
            *_choice(heads),
            f"search_... are the search's scores, all else is of each candidate trained alone. {DEFINITIONS}",
        ],
        extra={
            "ranking": config.ranking,
            "confidence": config.confidence,
            "trust": agreements[0].as_dict(),
            "correlations": [one.as_dict() for one in agreements],
        },
    )


def _joined(line: Line, found: Line) -> Line:
    scores = {f"search_{proxy}{end}": found.get(f"{proxy}{end}") for proxy in PROXIES for end in ("", "_std")}
    return {"rank": found.get("rank"), **line, **scores}


def _choice(heads: list[Line]) -> list[str]:
    """A sentence that compares the gain of the search's choice with the best candidate's and the mean."""
    gains = {line["name"]: line[GAIN] for line in heads if line.get(GAIN) is not None}
    chosen = next((line["name"] for line in heads if line["rank"] == 1), None)
    if chosen not in gains:
        return []
    best = max(gains, key=gains.__getitem__)
    mean = sum(gains.values()) / len(gains)
    return [
        f"gain in knn: chosen {chosen} {points(gains[chosen])}, best {best} {points(gains[best])}, "
        f"mean of all candidates {points(mean)} points"
    ]
