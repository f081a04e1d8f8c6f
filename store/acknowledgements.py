"""The reply subject of a JetStream delivery, which numbers it. Two forms are in use; everybody who reads one does it here."""

#: `$JS.ACK.`, then the tokens; the second form puts domain and account before them, and a random token behind.
_FIRST_FORM_TOKENS = 9


def delivery_tokens(reply: str) -> list[str]:
    """Return [stream, consumer, deliveries, position, consumer sequence, nanoseconds, pending]; empty when it is no delivery."""
    tokens = reply.split(".")
    if len(tokens) < _FIRST_FORM_TOKENS:
        return []
    first = 2 if len(tokens) == _FIRST_FORM_TOKENS else 4
    return tokens[first : first + 7]
