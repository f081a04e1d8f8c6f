"""The errors of configuration: one base, a stable code each, and the class docstring as the message that names the remedy.

Other packages keep the same form; docs/errors.md is generated from these classes.
"""

from inspect import cleandoc


class ConfigError(Exception):
    """The configuration cannot be used; correct what the message names and start again."""

    code = "config_error"

    def __init__(self, message: str = "") -> None:
        """Say `message`, or the docstring of the class where nothing more exact is known."""
        self.message = message or cleandoc(type(self).__doc__ or "").split("\n", maxsplit=1)[0]
        super().__init__(self.message)


class SettingsInvalid(ConfigError):
    """Settings are missing, malformed or contradict each other; correct the variables named in the message."""

    code = "settings_invalid"
