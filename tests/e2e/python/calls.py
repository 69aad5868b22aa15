"""What the server knows about the long calls it was asked for, so that a client can ask whether a cancel arrived.

A client names each long call with a key of its own choosing and asks for the state by that key over another request: in
the 2026-07-28 era there is no session that could tie the two together.
"""

import anyio

# How long a question about a call's state waits for that state before the answer is "no".
STATE_WAIT_SECONDS = 10


class Call:
    """One long call; both states are reached at most once."""

    def __init__(self):
        self.states = {"started": anyio.Event(), "cancelled": anyio.Event()}


class Calls:
    """All long calls of this process, by their callers' keys."""

    def __init__(self):
        self._by_key = {}

    def _call(self, key):
        return self._by_key.setdefault(key, Call())

    async def run(self, key, seconds):
        """Stay silent for `seconds`, noting when that began and whether it was cancelled."""
        states = self._call(key).states
        states["started"].set()
        try:
            await anyio.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            states["cancelled"].set()
            raise

    async def reached(self, key, state):
        """Whether the call got to `state`, waiting for it for a while."""
        with anyio.move_on_after(STATE_WAIT_SECONDS):
            await self._call(key).states[state].wait()
            return True
        return False
