"""Tests of what browsers run, by node."""
