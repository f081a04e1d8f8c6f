"""Tests of reading a wedding folder and of bringing it into a running system."""
