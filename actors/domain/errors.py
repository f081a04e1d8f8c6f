"""The errors of the domain: a rule says no. Caught once, in `decide`, and turned into the decision's refusal."""

from actors.contract.decisions import Refusal, refusal


class Refused(Exception):
    """A rule refuses the op; code, message and remedy stand in `refusal`."""

    def __init__(self, code: str, message: str = "", remedy: str = "") -> None:
        """Take the default message and remedy of `code` unless more exact ones are given."""
        self.code = code
        self.refusal: Refusal = refusal(code, message, remedy)
        super().__init__(f"{code}: {self.refusal.message}")
