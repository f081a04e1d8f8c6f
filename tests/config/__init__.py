"""Tests of settings, limits, logging and the command line."""
