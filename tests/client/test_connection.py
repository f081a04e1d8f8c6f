"""Where a client finds its server: one address for the socket and for HTTP, however a program writes it."""

import pytest

from gateway.client.connection import base_address, websocket_url


@pytest.mark.parametrize("url", ["http://h:8080", "http://h:8080/", "http://h:8080/ws", "http://h:8080/ws/", "ws://h:8080/ws"])
def test_each_way_to_write_the_address_means_the_same(url: str) -> None:
    """With a slash at the end or without, and with the path or the scheme of the socket."""
    assert (base_address(url), websocket_url(url)) == ("http://h:8080", "http://h:8080/ws")


def test_a_path_of_ones_own_stays() -> None:
    """Behind a proxy that serves several things; `ws` stands for the socket where it is a whole name."""
    assert base_address("wss://h/sync/ws") == "https://h/sync"
    assert websocket_url("https://h/news") == "https://h/news/ws"
