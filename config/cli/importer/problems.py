"""What an import finds wrong in a folder, one line each, and the error for a folder that cannot be read at all."""

from inspect import cleandoc
from typing import Literal, NamedTuple

from config.errors import ConfigError

Kind = Literal["outside_contract_hours", "overlap", "broken_reference", "cycle", "bad_value", "duplicate"]


class Problem(NamedTuple):
    """One finding about an item, and about another one where there is one."""

    kind: Kind
    item: str
    other: str
    sentence: str

    def line(self) -> str:
        """The line that `wedsync import` prints; ids never hold spaces, whatever the file says."""
        words = ["_".join(word.split()) or "-" for word in (self.item, self.other)]
        return f"problem {self.kind} {words[0]} {words[1]}: {' '.join(self.sentence.split())}"


class FolderUnreadable(ConfigError):
    """The wedding folder cannot be read, {reason}: correct that and import again; nothing was written."""

    code = "folder_unreadable"
    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(cleandoc(type(self).__doc__ or "").format(reason=reason))
