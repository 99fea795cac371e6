"""Settings of the result tables."""

from pydantic import Field

from pipeline.config.section import PositiveInt, Section


class TablesSection(Section):
    """Settings that all tables share, including those of the studies."""

    # Of every interval: those of the values, of the differences, over seeds and of Kendall's tau.
    confidence: float = Field(default=0.95, gt=0, lt=1)
    num_bootstrap: PositiveInt = 2000  # resamples, for the mean over seeds, differences and Kendall's tau


class TablesConfig(TablesSection):
    """The arms of a table, their order, and what each is compared with."""

    experiment: str
    arms: tuple[str, ...]  # order of the rows
    baseline: str  # arm from which differences are computed, where `alone` names no other
    # Arm with auxiliary head -> its method alone, if both are arms of the experiment.
    alone: dict[str, str] = Field(default_factory=dict)
    floors: tuple[str, ...] = ()  # arms that every pretraining should beat
    subjects: tuple[str, ...]  # arms that the sentences under the table are about

    @property
    def compared_with(self) -> dict[str, str]:
        """Arm -> the arm from which its difference is computed."""
        return {arm: self.alone.get(arm, self.baseline) for arm in self.arms}

    @property
    def shown(self) -> tuple[str, ...]:
        """The subjects and the arms they are compared with, whose pictures and features the report shows."""
        named = {*self.subjects, *(self.compared_with[arm] for arm in self.subjects)}
        return tuple(arm for arm in self.arms if not named or arm in named)
