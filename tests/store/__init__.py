"""Tests of streams, log access, changes, snapshots and projections on real servers."""
