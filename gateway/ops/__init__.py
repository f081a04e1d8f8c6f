"""The way of an op from any entrance to the log: checked, numbered, committed in groups; and the entrance of integrators."""
