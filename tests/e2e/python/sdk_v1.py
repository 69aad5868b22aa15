"""The 1.x SDK behind the interface that the scenarios use (see sdk_v2.py for the same on 2.x)."""

from contextlib import asynccontextmanager

import anyio
import httpx
from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

import answers
from http_layer import DEFAULT_TIMEOUT_SECONDS, Observed, client_factory


@asynccontextmanager
async def connect(target, legacy=False, cut_first_tool_stream=False):
    """An initialised session with the server. `legacy` changes nothing here: 1.x knows no other era."""
    observed = Observed()
    factory = client_factory(
        httpx, target.connect_to, observed, cut_first_tool_stream, read_timeout=target.read_timeout
    )
    if target.transport == "sse":
        streams = sse_client(
            target.url,
            headers=target.headers,
            timeout=DEFAULT_TIMEOUT_SECONDS,
            sse_read_timeout=target.read_timeout,
            httpx_client_factory=factory,
        )
    else:
        streams = _streamable_http(target, factory)
    async with streams as (read, write, *_):
        async with ClientSession(
            read, write, sampling_callback=answers.sample, elicitation_callback=answers.elicit
        ) as session:
            yield Session(session, await session.initialize(), observed)


@asynccontextmanager
async def _streamable_http(target, factory):
    async with factory(headers=target.headers) as http_client:
        async with streamable_http_client(target.url, http_client=http_client) as streams:
            yield streams


def _plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class Session:
    """One connection; every result is the plain JSON of the protocol."""

    def __init__(self, session, initialized, observed):
        self._session = session
        self._initialized = initialized
        self.observed = observed

    def info(self):
        return {
            "protocol_version": self._initialized.protocolVersion,
            "server_name": self._initialized.serverInfo.name,
            "capabilities": _plain(self._initialized.capabilities),
        }

    async def list_tools(self):
        return _plain(await self._session.list_tools())["tools"]

    async def list_resources(self):
        return _plain(await self._session.list_resources())["resources"]

    async def read_resource(self, uri):
        return _plain(await self._session.read_resource(AnyUrl(uri)))

    async def list_prompts(self):
        return _plain(await self._session.list_prompts())["prompts"]

    async def get_prompt(self, name, arguments):
        return _plain(await self._session.get_prompt(name, arguments))

    async def call(self, name, arguments, on_progress=None):
        return _plain(await self._session.call_tool(name, arguments, progress_callback=on_progress))

    async def call_until(self, condition, name, arguments, on_progress=None):
        """Call a tool and cancel the call once `condition` returns. True if the call ended by that and not before.

        1.x sends no cancellation of its own accord, so it is sent here, as an application has to.
        """
        scope = anyio.CancelScope()
        request_id = None

        async def call():
            nonlocal request_id
            with scope:
                # The session numbers requests from this counter, and takes the number before anything else runs.
                request_id = self._session._request_id
                await self.call(name, arguments, on_progress)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await condition()
            params = types.CancelledNotificationParams(requestId=request_id, reason="test")
            await self._session.send_notification(
                types.ClientNotification(types.CancelledNotification(params=params))
            )
            scope.cancel()
        return scope.cancelled_caught
