"""Exit codes that one of our processes tells another."""

from typing import Final

#: Starting it again is in vain until an operator has acted: the supervisor ends everything instead (EX_CONFIG of sysexits.h).
NEEDS_OPERATOR: Final = 78
