"""The authors of ops without a socket: one per wedding and principal, so that rate and waiting ops are counted over all requests.

Bounded: who was quiet for longest is forgotten first and comes back rested. Used by the HTTP routes and the intake.
"""

from collections import OrderedDict
from typing import Final

from actors.contract.ops import Source
from gateway.ops.submit import Author, Submitter

_MOST_AUTHORS: Final = 10_000


class Authors:
    """The authors of one entrance."""

    def __init__(self, submitter: Submitter, source: Source, most: int = _MOST_AUTHORS) -> None:
        self._submitter = submitter
        self._source = source
        self._most = most
        self._authors: OrderedDict[tuple[str, str], Author] = OrderedDict()

    def author_of(self, wedding: str, principal: str) -> Author:
        """The author as whom a principal's ops in a wedding are submitted."""
        author = self._authors.get((wedding, principal))
        if author is None:
            author = Author(principal, self._source, None, "", self._submitter.limiter.bucket_of_connection())
            self._authors[wedding, principal] = author
            if len(self._authors) > self._most:
                self._authors.popitem(last=False)
        self._authors.move_to_end((wedding, principal))
        return author
