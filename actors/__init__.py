"""The wedding actors: what they say to each other (contract), the rules (domain) and what runs them (runtime).

Nothing is exported here; import from the sub-packages. The table of who may import whom is in docs/architecture.md
and is checked by tests/architecture.
"""
