"""Random edits through the real client, for tests in which several people write at once."""

import random
from collections.abc import Sequence

from gateway.client import Client, Pending

_LABELS = {"guests": "firstName", "vendors": "name", "tables": "name", "budget": "item"}


def edit_at_random(client: Client, draw: random.Random, collections: Sequence[str]) -> Pending:
    """Change, insert, move or delete something that this client sees."""
    collection = draw.choice(collections)
    items = client.confirmed().get(collection, {})
    identifier = draw.choice(sorted(items)) if items else ""
    label = _LABELS.get(collection, "title")
    match draw.randrange(10) if items else 0:
        case 0 | 1:
            return client.insert(collection, f"new-{draw.randrange(10**9)}", {label: "something new"})
        case 2:
            return client.delete(collection, identifier)
        case 3:
            return client.move(collection, identifier, draw.choice([None, *sorted(items.keys() - {identifier})]))
        case _:
            return client.update(collection, identifier, {label: f"changed to {draw.randrange(10**6)}"})
