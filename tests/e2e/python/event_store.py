"""An event store for resumable streams, one to a session.

The SDK hands one store to every session, and names a stream by its JSON-RPC request id alone. Two clients of one server
then share stream names, and a resumed stream could replay the other client's events. `install()` gives every new session
a store of its own, so that any number of clients may use one server process at once.
"""

from mcp.server.lowlevel import server as lowlevel
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager


class InMemoryEventStore(EventStore):
    """All events of one session, in the order they were sent; an event's id is its place in that order."""

    def __init__(self):
        self._events = []

    async def store_event(self, stream_id, message):
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id, send_callback):
        position = int(last_event_id)
        if not 1 <= position <= len(self._events):
            return None
        stream_id = self._events[position - 1][0]
        # Read by index: events stored while the replay is being sent belong to it too.
        while position < len(self._events):
            owner, message = self._events[position]
            position += 1
            # A message of None is the mark that opens a stream; it carries nothing to replay.
            if owner == stream_id and message is not None:
                await send_callback(EventMessage(message, str(position)))
        return stream_id


class _StorePerSession(StreamableHTTPSessionManager):
    """The SDK's session manager, which reads `event_store` once for each session it creates."""

    @property
    def event_store(self):
        return InMemoryEventStore()

    @event_store.setter
    def event_store(self, store):
        assert isinstance(store, InMemoryEventStore), "the application is built with an event store"


def install():
    """Make applications built from now on keep one event store a session."""
    lowlevel.StreamableHTTPSessionManager = _StorePerSession
