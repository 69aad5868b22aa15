"""The HTTP client under the SDK: where connections go, what is counted, and how a stream is cut.

SDK 1.x uses `httpx` and 2.x its successor `httpx2`; both have the same interface, so the module is a parameter here. With
neither `--connect-to` nor a cut wanted, the SDK gets the library's own transport, untouched.
"""

DEFAULT_TIMEOUT_SECONDS = 30.0
STREAM_READ_TIMEOUT_SECONDS = 300.0


class Observed:
    """What one connection did on the wire, as far as a scenario asks."""

    def __init__(self):
        # Requests that resumed a stream: a GET with Last-Event-ID.
        self.resumptions = 0


def client_factory(httpx, connect_to, observed, cut_first_tool_stream=False, read_timeout=STREAM_READ_TIMEOUT_SECONDS):
    """A factory of HTTP clients, of the shape that the SDK's SSE transport asks for."""

    async def observe(request):
        if request.method == "GET" and "last-event-id" in request.headers:
            observed.resumptions += 1

    def make(headers=None, timeout=None, auth=None):
        transport = None
        if connect_to or cut_first_tool_stream:
            transport = httpx.AsyncHTTPTransport()
        if connect_to:
            transport = _pinned(httpx, transport, *connect_to)
        if cut_first_tool_stream:
            transport = _cutting(httpx, transport)
        return httpx.AsyncClient(
            headers=headers,
            timeout=timeout or httpx.Timeout(DEFAULT_TIMEOUT_SECONDS, read=read_timeout),
            auth=auth,
            transport=transport,
            event_hooks={"request": [observe]},
        )

    return make


def _pinned(httpx, inner, host, port):
    """A transport that connects to one address, while Host header, SNI and certificate check stay those of the URL."""

    class Pinned(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=host, port=port),
                # The Host header is among these: httpx sets it from the URL when the request is made.
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": request.url.host},
            )
            return await inner.handle_async_request(pinned)

        async def aclose(self):
            await inner.aclose()

    return Pinned()


def _cutting(httpx, inner):
    """A transport that breaks the first answer to a tool call right after the first progress event in it."""

    class CutStream(httpx.AsyncByteStream):
        def __init__(self, stream):
            self._stream = stream

        async def __aiter__(self):
            seen = b""
            async for chunk in self._stream:
                start = len(seen)
                seen += chunk
                end = _end_of_first_progress_event(seen)
                if end is None:
                    yield chunk
                    continue
                yield seen[start:end]
                raise httpx.ReadError("cut by the test client")

        async def aclose(self):
            await self._stream.aclose()

    class Cutting(httpx.AsyncBaseTransport):
        def __init__(self):
            self._done = False

        async def handle_async_request(self, request):
            response = await inner.handle_async_request(request)
            is_tool_call = request.method == "POST" and b'"tools/call"' in request.content
            if is_tool_call and not self._done:
                self._done = True
                response.stream = CutStream(response.stream)
            return response

        async def aclose(self):
            await inner.aclose()

    return Cutting()


def _end_of_first_progress_event(data):
    """The offset just after the first progress event's blank line, or None while it has not come whole."""
    at = data.find(b"notifications/progress")
    if at < 0:
        return None
    ends = [data.find(blank, at) + len(blank) for blank in (b"\n\n", b"\r\n\r\n") if data.find(blank, at) >= 0]
    return min(ends, default=None)
