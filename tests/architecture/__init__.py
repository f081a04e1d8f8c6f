"""The rules of the house, checked on the source: imports, sizes, docstrings, errors, rule ids."""
