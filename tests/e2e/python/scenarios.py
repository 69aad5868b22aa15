"""The scenarios: each connects anew, exercises one thing, and returns a result that is the same on every run.

A scenario looks at what the server lists and takes the tools that it knows how to use. Where there are none it raises
`Skipped` with the reason. The TypeScript clients have the same scenarios, in `scenarios.mjs`.
"""

import hashlib
import sys
import uuid

import anyio

PROGRESS_STEPS = 5
INTERRUPTED_STEPS = 6
CUT_AFTER = 2
# Asked for by a call that is to be cancelled: long enough that it cannot end by itself meanwhile.
NEVER_SECONDS = 120
# How long a progress notification may lag behind the call's result: SDK 2.x delivers both at once.
PROGRESS_LAG_SECONDS = 5
WRONG_TOKEN = "not-the-token"
# Between two calls of a client that calls until it is refused, and what it waits for one of them. A stream that breaks off
# in the middle of an answer makes an SDK of the session era wait for its resumption.
PAUSE_SECONDS = 0.5
PATIENCE_SECONDS = 2


class Skipped(Exception):
    """The server lacks what the scenario needs."""


class Progress:
    """Collects progress notifications."""

    def __init__(self):
        self.values = []
        self._changed = anyio.Event()

    async def __call__(self, progress, total, message):
        self.values.append([_integral(progress), _integral(total)])
        self._changed.set()
        self._changed = anyio.Event()

    async def reach(self, count):
        """Wait until so many have come."""
        while len(self.values) < count:
            await self._changed.wait()

    async def settle(self, count):
        """Wait a moment for stragglers once the call has returned; what is missing then is missing."""
        with anyio.move_on_after(PROGRESS_LAG_SECONDS):
            await self.reach(count)


def _integral(number):
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _content(blocks):
    """Content blocks without annotations and other fields that no scenario is about."""
    return [{"type": block["type"], "text": block.get("text")} for block in blocks]


def _result(result):
    """A tool's result: text, structured content, and whether it is an error."""
    return {
        "content": _content(result["content"]),
        "structured": result.get("structuredContent"),
        "is_error": result.get("isError", False),
    }


def _digest(data):
    return hashlib.sha256(data.encode()).hexdigest()


def _first(tools, *candidates):
    """The first of the candidate calls (name, arguments) whose tool the server lists."""
    names = {tool["name"] for tool in tools}
    for name, arguments in candidates:
        if name in names:
            return name, arguments
    raise Skipped(f"the server lists none of the tools {', '.join(name for name, _ in candidates)}")


def _arguments_of_type(tools, name, json_types):
    """The names of a tool's arguments of these JSON types, sorted; None if the server does not list the tool."""
    for tool in tools:
        if tool["name"] == name:
            properties = tool["inputSchema"].get("properties", {})
            return sorted(key for key, schema in properties.items() if schema.get("type") in json_types)
    return None


async def initialize(sdk, target):
    async with sdk.connect(target) as session:
        info = session.info()
        # A first request, so that the connection is not closed while the handshake's last message is still under way.
        await session.list_tools()
        return {**info, "capabilities": sorted(info["capabilities"])}


async def tools(sdk, target):
    async with sdk.connect(target) as session:
        listed = await session.list_tools()
        result = {"names": sorted(tool["name"] for tool in listed)}
        text_arguments = _arguments_of_type(listed, "echo", {"string"})
        if text_arguments:
            arguments = {text_arguments[0]: "Grüße, 你好, 🐧\nand a second line"}
            result["echo"] = _result(await session.call("echo", arguments))
        for name in ("add", "get-sum"):
            numbers = _arguments_of_type(listed, name, {"integer", "number"})
            if numbers and len(numbers) == 2:
                result["sum"] = _result(await session.call(name, dict(zip(numbers, (19, 23)))))
        if "tagged_echo" in result["names"]:
            arguments = {"message": "hello", "tag": "blue"}
            result["tagged_echo"] = _result(await session.call("tagged_echo", arguments))
        return result


async def progress(sdk, target):
    async with sdk.connect(target) as session:
        name, arguments = _first(
            await session.list_tools(),
            ("count", {"steps": PROGRESS_STEPS}),
            ("trigger-long-running-operation", {"duration": 0.5, "steps": PROGRESS_STEPS}),
        )
        received = Progress()
        result = await session.call(name, arguments, received)
        await received.settle(PROGRESS_STEPS)
        return {"progress": received.values, "result": _result(result)}


async def sampling(sdk, target):
    async with sdk.connect(target) as session:
        name, arguments = _first(
            await session.list_tools(),
            ("ask_model", {"prompt": "What is it?"}),
            ("trigger-sampling-request", {"prompt": "What is it?", "maxTokens": 100}),
        )
        return _result(await session.call(name, arguments))


async def elicitation(sdk, target):
    async with sdk.connect(target) as session:
        name, arguments = _first(
            await session.list_tools(), ("ask_user", {}), ("trigger-elicitation-request", {})
        )
        return _result(await session.call(name, arguments))


async def resources(sdk, target):
    async with sdk.connect(target) as session:
        if "resources" not in session.info()["capabilities"]:
            raise Skipped("the server offers no resources")
        uris = sorted(resource["uri"] for resource in await session.list_resources())
        if not uris:
            raise Skipped("the server lists no resources")
        read = {}
        for uri in uris[:2]:
            contents = (await session.read_resource(uri))["contents"]
            read[uri] = [
                {
                    "mime_type": part.get("mimeType"),
                    "length": len(part.get("text", part.get("blob", ""))),
                    "sha256": _digest(part.get("text", part.get("blob", ""))),
                }
                for part in contents
            ]
        return {"uris": uris, "read": read}


async def prompts(sdk, target):
    async with sdk.connect(target) as session:
        if "prompts" not in session.info()["capabilities"]:
            raise Skipped("the server offers no prompts")
        listed = await session.list_prompts()
        if not listed:
            raise Skipped("the server lists no prompts")
        prompt = min(listed, key=lambda prompt: prompt["name"])
        arguments = {argument["name"]: "Ada" for argument in prompt.get("arguments", []) if argument.get("required")}
        got = await session.get_prompt(prompt["name"], arguments)
        return {
            "names": sorted(prompt["name"] for prompt in listed),
            "got": prompt["name"],
            "messages": [{"role": message["role"], "content": _content([message["content"]])} for message in got["messages"]],
        }


async def long_call(sdk, target):
    async with sdk.connect(target) as session:
        name, arguments = _first(
            await session.list_tools(),
            ("wait", {"seconds": target.seconds, "key": str(uuid.uuid4())}),
            # Without a progress token this one is silent too.
            ("trigger-long-running-operation", {"duration": target.seconds, "steps": 1}),
        )
        _say("waiting")
        return _result(await session.call(name, arguments))


async def cancel(sdk, target):
    async with sdk.connect(target) as session:
        key = str(uuid.uuid4())
        name, arguments = _first(
            await session.list_tools(),
            ("wait", {"seconds": NEVER_SECONDS, "key": key}),
            ("trigger-long-running-operation", {"duration": 10, "steps": 50}),
        )
        if name != "wait":
            received = Progress()
            cancelled = await session.call_until(lambda: received.reach(1), name, arguments, received)
            # The session goes on.
            await session.list_tools()
            return {"cancelled": cancelled, "server_saw_cancel": None}

        async def reached(state):
            result = await session.call("call_reached", {"key": key, "state": state})
            return result["structuredContent"]["result"]

        async def started():
            assert await reached("started"), "the server never started the call"

        cancelled = await session.call_until(started, name, arguments)
        return {"cancelled": cancelled, "server_saw_cancel": await reached("cancelled")}


async def reconnect(sdk, target):
    if target.transport == "sse":
        raise Skipped("the HTTP+SSE transport cannot resume a stream")
    # The 2026-07-28 era has no resumption, so this is about the session era with every SDK.
    async with sdk.connect(target, legacy=True) as session:
        listed = await session.list_tools()
    name, arguments = _first(
        listed,
        ("interrupted_count", {"steps": INTERRUPTED_STEPS, "cut_after": CUT_AFTER}),
        # The server's event store can replay but not go on with a resumed stream, so its call is over by the time the
        # client is back (1 s later).
        ("trigger-long-running-operation", {"duration": 0.06, "steps": INTERRUPTED_STEPS}),
    )
    cut_by_client = name != "interrupted_count"
    async with sdk.connect(target, legacy=True, cut_first_tool_stream=cut_by_client) as session:
        received = Progress()
        result = await session.call(name, arguments, received)
        await received.settle(INTERRUPTED_STEPS)
        return {
            "cut_by": "client" if cut_by_client else "server",
            "resumptions": session.observed.resumptions,
            "progress": received.values,
            "result": _result(result),
        }


async def unauthorized(sdk, target):
    async def talk():
        async with sdk.connect(target.with_wrong_token(WRONG_TOKEN)) as session:
            await session.list_tools()

    refusal = await _refusal(talk)
    if refusal is None:
        raise Skipped("the server lets in any token")
    return refusal


async def forbidden(sdk, target):
    """What a credential for some of the tools shows, and what it says to a call of another."""
    result = {}

    async def talk():
        async with sdk.connect(target) as session:
            result["names"] = sorted(tool["name"] for tool in await session.list_tools())
            result["echo"] = _result(await session.call("echo", {"message": "allowed"}))
            await session.call("add", {"a": 19, "b": 23})

    return {"refusal": await _refusal(talk), **result}


async def until_refused(sdk, target):
    """Calls again and again until that is refused, which somebody else has to bring about; then connects again."""
    calls = 0

    def called():
        nonlocal calls
        calls += 1
        if calls == 1:
            _say("working")

    async def talk():
        async with sdk.connect(target) as session:
            await session.list_tools()
            await _keep_calling(session, called)

    async def come_back():
        async with sdk.connect(target) as session:
            await session.list_tools()

    refusal = await _refusal(talk)
    _say("ended")
    return {"refusal": refusal, "again": await _refusal(come_back), "calls": calls}


async def held(sdk, target):
    """A call that stays silent until its connection is broken off, which somebody else has to do. Other calls go on
    meanwhile, as the SDKs of the session era do not end a call by themselves whose stream they cannot resume."""

    async def talk():
        async with sdk.connect(target) as session:
            key = str(uuid.uuid4())
            name, arguments = _first(await session.list_tools(), ("wait", {"seconds": NEVER_SECONDS, "key": key}))

            async def watch():
                result = await session.call("call_reached", {"key": key, "state": "started"})
                assert result["structuredContent"]["result"], "the server never started the call"
                _say("held")
                await _keep_calling(session)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                await session.call(name, arguments)

    refusal = await _refusal(talk)
    _say("ended")
    return {"refusal": refusal}


async def _keep_calling(session, called=lambda: None):
    while True:
        with anyio.move_on_after(PATIENCE_SECONDS):
            await session.call("echo", {"message": "still here"})
            called()
        await anyio.sleep(PAUSE_SECONDS)


def _say(state):
    """Tells whoever started this process where it is; stdout is for results."""
    print(f"AT {state}", file=sys.stderr, flush=True)


async def _refusal(talk):
    """The SDK's error that ends `talk`, raised by a call or by the connection that falls apart around it."""
    try:
        await talk()
    except BaseException as failure:
        error = leaf(failure)
        if not isinstance(error, Exception) or isinstance(error, (Skipped, AssertionError)):
            raise
        return {
            "error_class": type(error).__name__,
            "status": getattr(getattr(error, "response", None), "status_code", None),
            # A JSON-RPC error code, where the SDK turns the refusal into one and drops the status.
            "kind": getattr(getattr(error, "error", None), "code", None),
        }
    return None


def leaf(failure):
    """The first plain exception inside nested groups: task groups wrap what their tasks raise."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


ALL = {
    scenario.__name__: scenario
    for scenario in (
        initialize,
        tools,
        progress,
        sampling,
        elicitation,
        resources,
        prompts,
        long_call,
        cancel,
        reconnect,
        unauthorized,
        forbidden,
        until_refused,
        held,
    )
}
