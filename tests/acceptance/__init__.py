"""Tests of the whole as its users meet it: processes, sockets, commands."""
