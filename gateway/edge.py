"""The edge of the gateway: routes and services, wired to the core by three functions that `process` calls."""

from aiohttp import web

from gateway.app import Gateway, Service
from gateway.ports import PresenceHub


class _Nobody:
    def join(self, *_: object) -> None: ...
    def update(self, *_: object) -> None: ...
    def leave(self, *_: object) -> None: ...


def register(app: web.Application, gateway: Gateway) -> None:
    """Add routes and middlewares."""


def services(gateway: Gateway) -> list[Service]:
    """Started in this order before the port opens, stopped in reverse."""
    return []


def presence_hub(gateway: Gateway) -> PresenceHub:
    """Called once while wiring."""
    return _Nobody()
