"""What the commands themselves refuse, each with its remedy; everything else comes from the packages they call.

The docstring is the message, with the details in braces. Printed as one line by `failures.report`.
"""

from inspect import cleandoc

from config.errors import ConfigError


class CommandError(ConfigError):
    """The command could not be carried out: read the message and try again."""

    code = "command_failed"
    exit_code = 1

    def __init__(self, **details: object) -> None:
        super().__init__(cleandoc(type(self).__doc__ or "").format(**details))


class BadName(CommandError):
    """{text!r} is not an id: use one token of a-z, 0-9, '_' and '-', at most 64 long, that is not reserved."""

    code = "bad_id"
    exit_code = 2


class RoleNeeded(CommandError):
    """{user} is not in the wedding {wedding} yet: name the role to add with --role."""

    code = "role_needed"
    exit_code = 2


class RoleDiffers(CommandError):
    """{user} has the role {present} in the wedding {wedding}, not {asked}: leave --role out or give that role."""

    code = "role_differs"


class WeddingMissing(CommandError):
    """There is no wedding {wedding}: create it with POST /api/collaboration/weddings or `wedsync import`."""

    code = "wedding_unknown"


class OpRefused(CommandError):
    """The wedding refused to add {user} ({reason}): put that right and run the command again."""

    code = "op_refused"


class NoAnswer(CommandError):
    """The wedding {wedding} did not answer within {seconds:.0f} s: see `wedsync status`, then run the command again."""

    code = "no_answer"


class RestartFailed(CommandError):
    """{identity} was not replaced within {seconds:.0f} s and goes on if it can: read the log of `wedsync up`, then try again."""

    code = "restart_failed"
