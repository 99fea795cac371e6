"""doit's commands `run`, `list` and `info`, which answer what they cannot do in one line.

doit itself answers a wrong option with all of its options as they are in memory, and `info` of an unknown
name with a traceback. pyproject.toml names these to it.
"""

from collections.abc import Sequence
from getopt import GetoptError, getopt

from doit.cmd_info import Info as DoitInfo
from doit.cmd_list import List as DoitList
from doit.cmd_run import Run as DoitRun
from doit.cmdparse import CmdParse, CmdParseError
from doit.exceptions import InvalidCommand


class _OneLine:
    """A command that looks at its options before doit does."""

    def parse_execute(self, in_args: Sequence[str]) -> int | None:
        check_options(in_args, self.cmdparser, self.get_name())
        return super().parse_execute(in_args)


class Run(_OneLine, DoitRun):
    """`doit run`."""

    name = "run"


class List(_OneLine, DoitList):
    """`doit list`."""

    name = "list"


class Info(_OneLine, DoitInfo):
    """`doit info`."""

    name = "info"

    def _execute(self, pos_args: Sequence[str], hide_status: bool = False) -> int | None:
        known = {task.name for task in self.task_list}
        if unknown := next((name for name in pos_args if name not in known), None):
            raise InvalidCommand(f"{unknown}: no such task; `doit list --all` shows what there is")
        return super()._execute(pos_args, hide_status)


def check_options(arguments: Sequence[str], parser: CmdParse, command: str) -> None:
    """Check doit's own options, as -n, of a command.

    Args:
        arguments: those of the command, without `name=value`.
        parser: of the command.
        command: its name.

    Raises:
        CmdParseError: there is no such option, or it cannot have that value; one line says which, doit prints
            it and ends with 3.
    """
    remedy = f"`doit help {command}` shows the options"
    try:
        given, _ = getopt(list(arguments), parser.get_short(), parser.get_long())
    except GetoptError as error:
        raise CmdParseError(f"{error.msg}; {remedy}") from error
    for name, value in given:
        option, _ = parser.get_option(name)
        try:
            if option.type is not bool:
                option.str2type(value)
        except CmdParseError as error:
            expected = "a whole number" if option.type is int else f"another value than {value!r}"
            raise CmdParseError(f"{name} {value}: expected {expected}; {remedy}") from error
