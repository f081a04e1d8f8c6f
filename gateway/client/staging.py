"""Syncs on their way: chunks are gathered until a channel is whole, and channels until all may be shown at once. Pure."""

from actors.contract.server_frames import ChannelSync


class Staging:
    """`whole` are the chunks of each complete sync, in the order in which they ended."""

    def __init__(self) -> None:
        self.whole: list[list[ChannelSync]] = []
        self._parts: dict[str, list[ChannelSync]] = {}

    def add(self, frame: ChannelSync) -> bool:
        """Take a chunk; tells whether its channel is whole now."""
        chunks = self._parts.setdefault(frame.channel, [])
        chunks.append(frame)
        if not frame.more:
            self.whole.append(self._parts.pop(frame.channel))
        return not frame.more

    def take(self) -> list[list[ChannelSync]]:
        """Give what is whole, once."""
        whole, self.whole = self.whole, []
        return whole

    def clear(self) -> None:
        """Forget everything: the connection has ended."""
        self.whole.clear()
        self._parts.clear()
