"""The `wedsync` command line: one module per group of commands, errors as one line with the remedy.

May import everything; nobody imports it.
"""
