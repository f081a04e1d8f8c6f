"""The wedding that ships with WedSync and the story that six people play on it.

May import everything; nobody but the command line and the tests imports it.
"""
