"""The Python MCP server of the end-to-end suite: one tool, prompt or resource for each thing a proxy can get wrong.

    python server.py --transport http|sse [--port 0] [--mounted]

It listens on 127.0.0.1 with the SDK's own protection against DNS rebinding left as it is, and prints one line,
`LISTENING http://127.0.0.1:PORT/mcp` (or `/sse`), once it accepts connections. SIGTERM and SIGINT end it. It is written
for the 2.x SDK, which speaks both eras of the protocol on one endpoint.
"""

import argparse
import contextlib
import socket
from typing import Annotated, Literal

import uvicorn
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve, Sample
from mcp.types import CreateMessageResult, SamplingMessage, TextContent, ToolAnnotations
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.routing import Mount

import event_store
from calls import Calls

HOST = "127.0.0.1"
# How soon a client comes back for a stream that the server has closed; the SDKs' own default is 1 s.
RETRY_INTERVAL_MS = 500

# What a credential for reading may call.
READS = ToolAnnotations(readOnlyHint=True)

mcp = MCPServer("gantz-e2e-python", version="1.0.0", log_level="WARNING")
calls = Calls()


@mcp.tool(annotations=READS)
def echo(message: str) -> str:
    """Give back the message."""
    return message


@mcp.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool()
def tagged_echo(
    message: str, tag: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Tag"})]
) -> str:
    """Give back the message with its tag. In the 2026-07-28 era the tag must also come as the header `Mcp-Param-Tag`."""
    return f"{tag}: {message}"


@mcp.tool()
async def count(steps: int, ctx: Context) -> str:
    """Report progress `steps` times."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
    return f"counted to {steps}"


@mcp.tool()
async def interrupted_count(steps: int, cut_after: int, ctx: Context) -> str:
    """Report progress `steps` times, and close the response stream after `cut_after` of them."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
        if step == cut_after:
            await ctx.close_sse_stream()
    return f"counted to {steps}"


@mcp.tool()
async def wait(seconds: float, key: str) -> str:
    """Stay silent for `seconds`, then answer."""
    await calls.run(key, seconds)
    return f"waited {seconds:g} s"


@mcp.tool(annotations=READS)
async def call_reached(key: str, state: Literal["started", "cancelled"]) -> bool:
    """Whether the `wait` call with this key got to that state."""
    return await calls.reached(key, state)


def question(prompt: str) -> Sample:
    """Have the client's model answer the prompt."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return Sample([message], max_tokens=100)


@mcp.tool()
def ask_model(prompt: str, answer: Annotated[CreateMessageResult, Resolve(question)]) -> str:
    """Ask the client's model."""
    return f"the model said: {answer.content.text}"


class Person(BaseModel):
    """What the user is asked for."""

    name: str


def who() -> Elicit[Person]:
    """Have the client's user say who they are."""
    return Elicit("Who are you?", Person)


@mcp.tool()
def ask_user(person: Annotated[Person, Resolve(who)]) -> str:
    """Ask the client's user."""
    return f"the user is {person.name}"


@mcp.resource("e2e://greeting", mime_type="text/plain")
def greeting() -> str:
    """A text with characters of one to four bytes."""
    return "Hello, Grüße, 你好, 🐧"


@mcp.resource("e2e://numbers", mime_type="text/plain")
def numbers() -> str:
    """A text of some 64 KiB, which no buffer on the way holds in one piece."""
    return "\n".join(str(number) for number in range(12_000))


@mcp.prompt()
def greet(name: str) -> str:
    """A prompt with one argument."""
    return f"Say hello to {name}."


class AnnouncingServer(uvicorn.Server):
    """uvicorn, saying where it listens as soon as it does."""

    def __init__(self, config, url):
        super().__init__(config)
        self._url = url

    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(f"LISTENING {self._url}", flush=True)


def mounted(app):
    """The application under /mcp of another one, as people have it who add tools to what they have."""

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with mcp.session_manager.run():
            yield

    return Starlette(routes=[Mount("/mcp", app=app)], lifespan=lifespan)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transport", choices=["http", "sse"], required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mounted", action="store_true", help="inside another application, which sends /mcp to /mcp/")
    options = parser.parse_args()

    if options.transport == "http":
        event_store.install()
        app = mcp.streamable_http_app(
            streamable_http_path="/" if options.mounted else "/mcp",
            host=HOST,
            event_store=event_store.InMemoryEventStore(),
            retry_interval=RETRY_INTERVAL_MS,
        )
        if options.mounted:
            app = mounted(app)
        path = "/mcp"
    else:
        app = mcp.sse_app(host=HOST)
        path = "/sse"

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, options.port))
    url = f"http://{HOST}:{listener.getsockname()[1]}{path}"
    # An open SSE stream never ends by itself: without a limit a graceful shutdown would wait for it for ever.
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    AnnouncingServer(config, url).run(sockets=[listener])


if __name__ == "__main__":
    main()
