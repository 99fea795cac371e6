import pytest
from pydantic import ValidationError

from pipeline.config.executors import SlurmConfig


@pytest.mark.parametrize("value", ["gpu\n#SBATCH --wrap=x", "a b", "$(reboot)", "`x`", ""])
def test_a_word_cannot_leave_its_line_of_the_script(value):
    with pytest.raises(ValidationError):
        SlurmConfig(partition=value)
    with pytest.raises(ValidationError):
        SlurmConfig(arguments={"comment": value})


@pytest.mark.parametrize(("name", "hint"), [("time", "time_minutes"), ("output", "needs it as it is")])
def test_options_that_a_job_is_followed_by_are_refused(name, hint):
    with pytest.raises(ValidationError, match=f"{name} cannot be given here: .*{hint}"):
        SlurmConfig(arguments={name: "7"})
