"""A route that FastAPI documents and does not interpret.

Every endpoint of ours takes the request and the texts of its path, and returns a response: there is
nothing to validate, to inject or to serialise. FastAPI's own handler prepares for all of it anew at
each poll. Owns how an endpoint is called. Does not own matching, or what is documented.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class DirectRoute(APIRoute):
    """Calls its endpoint with the request and the parameters of its path, as they were sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What FastAPI calls for a request."""
        endpoint: Callable[..., Coroutine[Any, Any, Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            return await endpoint(request, **request.path_params)

        return handle
