"""Settings of an experiment's report page."""

from pipeline.config.section import Section
from pipeline.config.tables import TablesConfig


class ReportConfig(Section):
    """The tables' settings, and the experiment's settings, which the page shows."""

    tables: TablesConfig
    settings: str  # the resolved experiment without [runtime], as JSON text
