"""The wedding that we ship (`wedding/`, an invented one), and the story that six people play in it over real sockets.

Called by `wedsync demo`; tests import the wedding too. Nothing here is needed to run WedSync.
"""
