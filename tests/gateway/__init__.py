"""Tests of sessions, frames, hub, resume, presence, group commit and HTTP."""
