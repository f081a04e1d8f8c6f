"""One client's conversation from the upgrade to the close: hello, sync, frames, heartbeat, and the token that it holds."""
