"""A live bar over the steps of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from pipeline.training.progress import Progress

_SHORT = {"images_per_second": "img/s", "teacher_entropy": "entropy", "feature_spread": "spread"}
_MONITORED = {"monitor_knn_top1": "k-NN", "monitor_rankme": "RankMe"}  # stay until they are measured again
# In the log only: schedules, and what moves slowly.
_HIDDEN = (
    "step", "data_wait_share", "weight_decay", "ema_", "teacher_temp",
    "prototype_", "discrepancy_", "monitor_",
)  # fmt: skip


@contextmanager
def step_bar(title: str | None, notes: Callable[[], str | None]) -> Iterator[Callable[[Progress], None]]:
    """Yield what the loop is to report to.

    Args:
        title: of the bar; the stage's name stands before it anyway.
        notes: something to be printed once, as it comes up; see `pipeline.kernels.note`.
    """
    printed: set[str] = set()
    monitored: dict[str, str] = {}
    with tqdm(desc=title, unit="step", dynamic_ncols=True) as bar:

        def report(progress: Progress) -> None:
            bar.total = progress.num_steps
            words = [
                f"{_SHORT.get(key, key.removeprefix('loss_'))} {value:.3g}"
                for key, value in progress.metrics.items()
                if not key.startswith(_HIDDEN) and "/" not in key  # "<candidate>/<loss>", of the search
            ]
            measured = _MONITORED.keys() & progress.metrics.keys()
            monitored.update({key: f"{_MONITORED[key]} {progress.metrics[key]:.3g}" for key in measured})
            words += [monitored[key] for key in _MONITORED if key in monitored]
            bar.set_postfix_str(" ".join(words), refresh=False)
            bar.update(progress.step - bar.n)
            for text in (progress.warning, notes()):
                if text and text not in printed:
                    printed.add(text)
                    bar.write(f"step {progress.step}: {text}")

        yield report
