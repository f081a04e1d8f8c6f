"""`/healthz`, `/readyz`, `/startupz`, `/metrics`: for orchestrators and Prometheus; they tell of no wedding and want no token."""

from http import HTTPStatus

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.http.api import API
from gateway.http.callers import json_response
from gateway.http.problems import problem_members, problem_response


async def healthz(request: web.Request) -> web.Response:
    """Alive while the event loop turns."""
    health = request.app[API].health
    lag = {"loopLagSeconds": round(health.loop_lag_seconds, 3)}
    if health.is_alive:
        return json_response({"status": "alive", **lag})
    remedy = "Restart this gateway; its clients resume elsewhere."
    members = problem_members("unavailable", "The event loop is stuck.", remedy, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return problem_response(members | lag)


async def readyz(request: web.Request) -> web.Response:
    """Ready for traffic, or the reasons why not."""
    health = request.app[API].health
    reasons, impaired = health.reasons(), {"impaired": health.impairments()}
    if not reasons:
        return json_response({"status": "ready", "reasons": [], **impaired})
    members = problem_members("unavailable", "Not ready: " + ", ".join(reasons) + ".", "Send traffic to another gateway.")
    return problem_response(members | {"reasons": reasons} | impaired, {"Retry-After": "1"})


async def startupz(request: web.Request) -> web.Response:
    """Started: the port opens last, when everything behind it runs, so whoever gets an answer gets this one."""
    del request
    return json_response({"status": "started"})


async def metrics(request: web.Request) -> web.Response:
    """The numbers for Prometheus."""
    return web.Response(body=request.app[API].metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
