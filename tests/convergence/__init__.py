"""Tests that every client, the actor and the stored state end equal."""
