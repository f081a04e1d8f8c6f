"""The errors of the contract: input that is not what it should be, each with a stable code from `codes`."""

from actors.contract.codes import CODES


class ContractError(Exception):
    """The input does not fit the contract; see its code, message and remedy."""

    def __init__(self, code: str, message: str = "", remedy: str = "") -> None:
        """Take the default message and remedy of `code` unless more exact ones are given."""
        text = CODES[code]
        self.code = code
        self.message = message or text.message
        self.remedy = remedy or text.remedy
        super().__init__(f"{code}: {self.message}")


class BadOp(ContractError):
    """An op that can be judged without any state is refused: nothing is stored and no number is consumed."""


class DeltaTooLong(BadOp):
    """A change of a text goes beyond its end: it was made on another text."""

    def __init__(self, beyond: int) -> None:
        """`beyond` counts the code points that the text would have to be longer."""
        message = f"The delta goes {beyond} code points beyond the end of the text."
        super().__init__("bad_value", message, "Make it on the text that you name; lengths are Unicode code points.")
