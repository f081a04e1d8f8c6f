"""The log can be lost: fence, scrub and re-seeding, each with real damage to the files of a real server."""
