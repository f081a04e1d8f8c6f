"""Starting, watching and stopping the embedded servers and the WedSync processes.

May import everything; nobody but the command line and the tests imports it.
"""
