"""The tests, by what they test; shared verbs and requirements are in tests.support."""
