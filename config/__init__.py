"""Settings, limits and logging, shared by every process; and, in its sub-packages, what starts the processes.

The modules here import the standard library, structlog and pydantic-settings alone.
"""
