"""Tests of config.supervision and of the process commands."""
