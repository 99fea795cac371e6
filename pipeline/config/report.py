"""What the page of an experiment is made with."""

from pipeline.config.section import Section
from pipeline.config.tables import TablesConfig


class ReportConfig(Section):
    """The tables' settings, and all of the experiment's to be shown."""

    tables: TablesConfig
    settings: str  # the resolved experiment without [runtime], as JSON text
