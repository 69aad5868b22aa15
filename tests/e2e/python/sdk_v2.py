"""The 2.x SDK behind the interface that the scenarios use (see sdk_v1.py for the same on 1.x)."""

from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

import answers
from http_layer import DEFAULT_TIMEOUT_SECONDS, Observed, client_factory


@asynccontextmanager
async def connect(target, legacy=False, cut_first_tool_stream=False):
    """A connected client. By default the SDK settles the era itself: 2026-07-28 where the server speaks it.

    `legacy` forces the session era, for what exists only there.
    """
    observed = Observed()
    factory = client_factory(
        httpx2, target.connect_to, observed, cut_first_tool_stream, read_timeout=target.read_timeout
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
    async with Client(
        streams,
        mode="legacy" if legacy or target.era == "legacy" else "auto",
        sampling_callback=answers.sample,
        elicitation_callback=answers.elicit,
    ) as client:
        yield Session(client, observed)


@asynccontextmanager
async def _streamable_http(target, factory):
    async with factory(headers=target.headers) as http_client:
        async with streamable_http_client(target.url, http_client=http_client) as streams:
            yield streams


def _plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class Session:
    """One connection; every result is the plain JSON of the protocol."""

    def __init__(self, client, observed):
        self._client = client
        self.observed = observed

    def info(self):
        server = self._client.server_info
        return {
            "protocol_version": self._client.protocol_version,
            "server_name": server and server.name,
            "capabilities": _plain(self._client.server_capabilities),
        }

    async def list_tools(self):
        return _plain(await self._client.list_tools())["tools"]

    async def list_resources(self):
        return _plain(await self._client.list_resources())["resources"]

    async def read_resource(self, uri):
        return _plain(await self._client.read_resource(uri))

    async def list_prompts(self):
        return _plain(await self._client.list_prompts())["prompts"]

    async def get_prompt(self, name, arguments):
        return _plain(await self._client.get_prompt(name, arguments))

    async def call(self, name, arguments, on_progress=None):
        return _plain(await self._client.call_tool(name, arguments, progress_callback=on_progress))

    async def call_until(self, condition, name, arguments, on_progress=None):
        """Call a tool and cancel the call once `condition` returns. True if the call ended by that and not before.

        2.x turns the cancelled task into what the era asks for: a notification, or the end of the response stream.
        """
        scope = anyio.CancelScope()

        async def call():
            with scope:
                await self.call(name, arguments, on_progress)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await condition()
            scope.cancel()
        return scope.cancelled_caught
