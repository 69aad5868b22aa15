// The command line that every TypeScript client has, the deadlines, and the one JSON object on stdout.
//
//     node client_v1.mjs --url URL --transport http|sse --scenario NAME[,NAME…] [options]

import { parseArgs } from 'node:util';

import { SCENARIOS, Skipped } from './scenarios.mjs';

// What one scenario may take, connection included; `long_call` has its own seconds on top.
const SCENARIO_DEADLINE_MS = 45_000;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

class UsageError extends Error {}

function parse() {
    const { values } = parseArgs({
        options: {
            url: { type: 'string' },
            transport: { type: 'string' },
            scenario: { type: 'string' },
            token: { type: 'string' },
            header: { type: 'string' },
            'connect-to': { type: 'string' },
            era: { type: 'string', default: 'auto' },
            seconds: { type: 'string', default: '20' },
            require: { type: 'boolean', default: false }
        }
    });
    for (const required of ['url', 'transport', 'scenario']) {
        if (values[required] === undefined) {
            throw new UsageError(`--${required} is missing`);
        }
    }
    for (const [option, choices] of [
        ['transport', ['http', 'sse']],
        ['era', ['auto', 'legacy']]
    ]) {
        if (!choices.includes(values[option])) {
            throw new UsageError(`--${option} is one of ${choices.join(', ')}`);
        }
    }
    if (values.token !== undefined && values.header !== undefined) {
        throw new UsageError('--token and --header exclude each other');
    }
    const names = values.scenario.split(',');
    const unknown = names.filter(name => !(name in SCENARIOS));
    if (unknown.length > 0) {
        throw new UsageError(`unknown scenario ${unknown}; there are: ${Object.keys(SCENARIOS).join(', ')}`);
    }
    return { values, names };
}

function credential({ token, header }) {
    if (token !== undefined) {
        return { Authorization: `Bearer ${token}` };
    }
    if (header === undefined) {
        return {};
    }
    const match = /^([^:]+):\s*(.*)$/.exec(header);
    if (!match) {
        throw new UsageError(`--header ${header} is not 'Name: value'`);
    }
    return { [match[1].trim()]: match[2] };
}

function address(text) {
    const match = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text);
    if (!match) {
        throw new UsageError(`--connect-to ${text} is not HOST:PORT`);
    }
    return { host: match[1], port: Number(match[2]) };
}

// An error with what caused it: `fetch failed` alone says nothing.
function describe(error) {
    const own = `${error.constructor.name}: ${error.message}`;
    return error.cause instanceof Error ? `${own} (${describe(error.cause)})` : own;
}

// The result of one scenario, whatever happens to it.
async function run(name, connect, target, require) {
    const sessions = [];
    const open = async (...options) => {
        const session = await connect(...options);
        sessions.push(session);
        return session;
    };
    const scenario = async () => {
        const result = await SCENARIOS[name](open, target);
        for (const session of sessions) {
            await session.close();
        }
        return result;
    };
    let timer;
    const deadline = new Promise(resolve => {
        const extra = name === 'long_call' ? target.seconds * 1000 : 0;
        timer = setTimeout(() => resolve({ error: 'timeout' }), SCENARIO_DEADLINE_MS + extra);
    });
    try {
        return await Promise.race([scenario(), deadline]);
    } catch (error) {
        if (error instanceof Skipped) {
            return { [require ? 'error' : 'skipped']: error.message };
        }
        console.error(error);
        return { error: describe(error) };
    } finally {
        clearTimeout(timer);
    }
}

// Runs what the command line asks for. `connect(target, options)` makes a Session with one SDK.
export async function main(clientName, connect) {
    let parsed, target;
    try {
        parsed = parse();
        const { values } = parsed;
        target = {
            url: values.url,
            transport: values.transport,
            era: values.era,
            headers: credential(values),
            connectTo: values['connect-to'] === undefined ? undefined : address(values['connect-to']),
            seconds: Number(values.seconds)
        };
    } catch (error) {
        console.error(error.message);
        process.exit(EXIT_USAGE);
    }

    const results = {};
    for (const name of parsed.names) {
        results[name] = await run(name, connect, target, parsed.values.require);
    }
    const failed = Object.values(results).some(result => 'error' in result);
    // The exit is explicit because a connection left over from a failed scenario keeps the process alive.
    process.stdout.write(`${JSON.stringify({ client: clientName, results })}\n`, () => {
        process.exit(failed ? EXIT_FAILED : 0);
    });
}
