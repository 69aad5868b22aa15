"""The Python MCP client of the end-to-end suite; it runs on whichever SDK line its virtual environment has.

    python client.py --url URL --transport http|sse --scenario NAME[,NAME…] [options]

It prints one JSON object, `{"client": …, "results": {scenario: result}}`, and nothing else, to stdout. See README.md.
"""

import argparse
import asyncio
import dataclasses
import importlib.metadata
import json
import logging
import os
import sys
import threading
import traceback

import scenarios

# What one scenario may take, connection included; `long_call` has its own seconds on top.
SCENARIO_DEADLINE_SECONDS = 45
# What closing a connection may take beyond that, before the process gives up on it.
CLEANUP_SECONDS = 10

EXIT_FAILED = 1

VERSION = importlib.metadata.version("mcp")
if VERSION.startswith("1."):
    import sdk_v1 as sdk
else:
    import sdk_v2 as sdk


@dataclasses.dataclass(frozen=True)
class Target:
    """The server to talk to, and how."""

    url: str
    transport: str
    era: str
    headers: dict
    connect_to: tuple | None
    seconds: int

    @property
    def read_timeout(self):
        """Longer than any silence that a scenario asks for."""
        return self.seconds + 300

    def with_wrong_token(self, token):
        """The same, with the credential replaced under the name it would have had."""
        if any(name.lower() != "authorization" for name in self.headers):
            return dataclasses.replace(self, headers={name: token for name in self.headers})
        return dataclasses.replace(self, headers={"Authorization": f"Bearer {token}"})


def host_and_port(text):
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def header(text):
    name, separator, value = text.partition(":")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not 'Name: value'")
    return name.strip(), value.strip()


def scenario_names(text):
    names = text.split(",")
    unknown = [name for name in names if name not in scenarios.ALL]
    if unknown:
        known = ", ".join(scenarios.ALL)
        raise argparse.ArgumentTypeError(f"unknown scenario {', '.join(unknown)}; there are: {known}")
    return names


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--transport", choices=["http", "sse"], required=True)
    parser.add_argument("--scenario", type=scenario_names, required=True, metavar="NAME[,NAME…]")
    credential = parser.add_mutually_exclusive_group()
    credential.add_argument("--token", help="sent as a bearer token")
    credential.add_argument("--header", type=header, help="'Name: value', sent instead of a bearer token")
    parser.add_argument("--connect-to", type=host_and_port, metavar="HOST:PORT")
    parser.add_argument("--era", choices=["auto", "legacy"], default="auto")
    parser.add_argument("--seconds", type=int, default=20, help="what long_call waits")
    parser.add_argument("--require", action="store_true", help="a skipped scenario is an error")
    return parser.parse_args()


async def run(name, target, require):
    """One scenario's result, whatever happens to it."""
    deadline = SCENARIO_DEADLINE_SECONDS + (target.seconds if name == "long_call" else 0)
    try:
        async with asyncio.timeout(deadline) as timer:
            return await scenarios.ALL[name](sdk, target)
    except BaseException as failure:
        if timer.expired():
            traceback.print_exception(failure)
            return {"error": "timeout"}
        error = scenarios.leaf(failure)
        if not isinstance(error, Exception):
            raise
        if isinstance(error, scenarios.Skipped):
            return {"error" if require else "skipped": str(error)}
        traceback.print_exception(failure)
        return {"error": f"{type(error).__name__}: {error}"}


def give_up():
    print("a connection would not close in time", file=sys.stderr, flush=True)
    os._exit(EXIT_FAILED)


def main():
    logging.basicConfig(stream=sys.stderr, level=os.environ.get("E2E_LOG", "WARNING"))
    options = arguments()
    if options.token is not None:
        headers = {"Authorization": f"Bearer {options.token}"}
    else:
        headers = dict([options.header]) if options.header else {}
    target = Target(options.url, options.transport, options.era, headers, options.connect_to, options.seconds)

    results = {}
    for name in options.scenario:
        # The deadline inside cancels the scenario; this one is for a cancellation that does not end.
        limit = SCENARIO_DEADLINE_SECONDS + target.seconds + CLEANUP_SECONDS
        watchdog = threading.Timer(limit, give_up)
        watchdog.daemon = True
        watchdog.start()
        results[name] = asyncio.run(run(name, target, options.require))
        watchdog.cancel()

    print(json.dumps({"client": f"python-{VERSION}", "results": results}, sort_keys=True), flush=True)
    if any("error" in result for result in results.values()):
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
