"""What the result tables say."""

from pydantic import Field

from pipeline.config.section import Section


class TablesConfig(Section):
    """Whose results, in which order, and compared with what."""

    experiment: str
    arms: tuple[str, ...]  # order of the rows
    baseline: str  # arm that differences are taken to
    subject: str | None  # arm that the sentence under the table is about
    confidence: float = Field(default=0.95, gt=0, lt=1)
    num_bootstrap: int = Field(default=2000, gt=0)
