"""A progress bar over the steps of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from pipeline.training.progress import Progress

_SHORT = {"images_per_second": "img/s", "teacher_entropy": "entropy", "feature_spread": "spread"}
_MONITORED = {"monitor_knn_top1": "k-NN", "monitor_rankme": "RankMe"}  # shown until they are measured again
# In the log only: schedules and slowly changing metrics.
_HIDDEN = (
    "step", "data_wait_share", "weight_decay", "ema_", "teacher_temp",
    "prototype_", "discrepancy_", "monitor_",
)  # fmt: skip


@contextmanager
def step_bar(title: str | None, notes: Callable[[], str | None]) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows each `Progress` in the bar.

    Args:
        title: of the bar; the stage's name is shown in front of it anyway.
        notes: returns a note to print, or None; each text is printed once. See `pipeline.kernels.note`.
    """
    printed: set[str] = set()
    monitored: dict[str, str] = {}
    with tqdm(desc=title, unit="step", dynamic_ncols=True) as bar:

        def report(progress: Progress) -> None:
            bar.total = progress.num_steps
            shown = [
                f"{_SHORT.get(key, key.removeprefix('loss_'))} {value:.3g}"
                for key, value in progress.metrics.items()
                if not key.startswith(_HIDDEN) and "/" not in key  # "<candidate>/<loss>", of the search
            ]
            measured = _MONITORED.keys() & progress.metrics.keys()
            monitored.update({key: f"{_MONITORED[key]} {progress.metrics[key]:.3g}" for key in measured})
            shown += [monitored[key] for key in _MONITORED if key in monitored]
            bar.set_postfix_str(" ".join(shown), refresh=False)
            bar.update(progress.step - bar.n)
            for text in (progress.warning, notes()):
                if text and text not in printed:
                    printed.add(text)
                    bar.write(f"step {progress.step}: {text}")

        yield report
