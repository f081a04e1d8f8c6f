"""Tests of actors, log reader, placement, flush and recovery on real servers."""
