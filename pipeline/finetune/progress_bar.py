"""A live bar over the steps of a fine-tuning."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from pipeline.finetune.loop import Progress

_HIDDEN = frozenset({"step", "data_wait_share"})
_SHORT = {"images_per_second": "img/s"}


@contextmanager
def step_bar(title: str, note: Callable[[], str | None]) -> Iterator[Callable[[Progress], None]]:
    """Yield what the loop is to report to.

    Args:
        note: something to be said once, as it comes up; see `pipeline.kernels.note`.
    """
    said: set[str] = set()
    with tqdm(desc=title, unit="step", dynamic_ncols=True) as bar:

        def report(progress: Progress) -> None:
            bar.total = progress.num_steps
            shown = {key: value for key, value in progress.metrics.items() if key not in _HIDDEN}
            words = " ".join(f"{_SHORT.get(key, key)} {value:.3g}" for key, value in shown.items())
            bar.set_postfix_str(words, refresh=False)
            bar.update(progress.step - bar.n)
            if (text := note()) and text not in said:
                said.add(text)
                bar.write(f"step {progress.step}: {text}")

        yield report
