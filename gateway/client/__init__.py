"""The Python client: connect, edit, listen, resume, pending state.

Uses the contract and aiohttp alone, so that it could be shipped apart from the server.
"""
