// The scenarios: each connects anew, exercises one thing, and returns a result that is the same on every run.
//
// A scenario looks at what the server lists and takes the tools that it knows how to use. Where there are none it throws
// `Skipped` with the reason. The Python clients have the same scenarios, in `scenarios.py`.

import { createHash, randomUUID } from 'node:crypto';
import { once, EventEmitter } from 'node:events';
import { setTimeout } from 'node:timers/promises';

const PROGRESS_STEPS = 5;
const INTERRUPTED_STEPS = 6;
const CUT_AFTER = 2;
// Asked for by a call that is to be cancelled: long enough that it cannot end by itself meanwhile.
const NEVER_SECONDS = 120;
const WRONG_TOKEN = 'not-the-token';
// Between two calls of a client that calls until it is refused, and what it waits for one of them. A stream that breaks off
// in the middle of an answer makes an SDK of the session era wait for its resumption.
const PAUSE_MS = 500;
const PATIENCE_MS = 2000;

// The server lacks what the scenario needs.
export class Skipped extends Error {}

// Collects progress notifications.
class Progress {
    values = [];
    #changed = new EventEmitter();

    add = (progress, total) => {
        this.values.push([progress, total ?? null]);
        this.#changed.emit('change');
    };

    // Waits until so many have come.
    async reach(count) {
        while (this.values.length < count) {
            await once(this.#changed, 'change');
        }
    }
}

// Content blocks without annotations and other fields that no scenario is about.
const contentOf = blocks => blocks.map(block => ({ type: block.type, text: block.text ?? null }));

// A tool's result: text, structured content, and whether it is an error.
const resultOf = result => ({
    content: contentOf(result.content),
    structured: result.structuredContent ?? null,
    is_error: result.isError ?? false
});

const digest = text => createHash('sha256').update(text).digest('hex');

const namesOf = items => items.map(item => item.name).sort();

// The first of the candidate calls [name, arguments] whose tool the server lists.
function first(tools, ...candidates) {
    const names = new Set(namesOf(tools));
    const found = candidates.find(([name]) => names.has(name));
    if (!found) {
        throw new Skipped(`the server lists none of the tools ${candidates.map(([name]) => name).join(', ')}`);
    }
    return found;
}

// The names of a tool's arguments of these JSON types, sorted; empty if the server does not list the tool.
function argumentsOfType(tools, name, types) {
    const properties = tools.find(tool => tool.name === name)?.inputSchema.properties ?? {};
    return Object.keys(properties)
        .filter(key => types.includes(properties[key].type))
        .sort();
}

async function initialize(connect, target) {
    const session = await connect(target);
    const info = session.info();
    // A first request, so that the connection is not closed while the handshake's last message is still under way.
    await session.listTools();
    return { ...info, capabilities: Object.keys(info.capabilities).sort() };
}

async function tools(connect, target) {
    const session = await connect(target);
    const listed = await session.listTools();
    const result = { names: namesOf(listed) };
    const [text] = argumentsOfType(listed, 'echo', ['string']);
    if (text) {
        result.echo = resultOf(await session.call('echo', { [text]: 'Grüße, 你好, 🐧\nand a second line' }));
    }
    for (const name of ['add', 'get-sum']) {
        const numbers = argumentsOfType(listed, name, ['integer', 'number']);
        if (numbers.length === 2) {
            result.sum = resultOf(await session.call(name, { [numbers[0]]: 19, [numbers[1]]: 23 }));
        }
    }
    if (result.names.includes('tagged_echo')) {
        result.tagged_echo = resultOf(await session.call('tagged_echo', { message: 'hello', tag: 'blue' }));
    }
    return result;
}

async function progress(connect, target) {
    const session = await connect(target);
    const [name, args] = first(
        await session.listTools(),
        ['count', { steps: PROGRESS_STEPS }],
        ['trigger-long-running-operation', { duration: 0.5, steps: PROGRESS_STEPS }]
    );
    const received = new Progress();
    const result = await session.call(name, args, received.add);
    return { progress: received.values, result: resultOf(result) };
}

async function sampling(connect, target) {
    const session = await connect(target);
    const [name, args] = first(
        await session.listTools(),
        ['ask_model', { prompt: 'What is it?' }],
        ['trigger-sampling-request', { prompt: 'What is it?', maxTokens: 100 }]
    );
    return resultOf(await session.call(name, args));
}

async function elicitation(connect, target) {
    const session = await connect(target);
    const [name, args] = first(await session.listTools(), ['ask_user', {}], ['trigger-elicitation-request', {}]);
    return resultOf(await session.call(name, args));
}

async function resources(connect, target) {
    const session = await connect(target);
    if (!session.info().capabilities.resources) {
        throw new Skipped('the server offers no resources');
    }
    const uris = (await session.listResources()).map(resource => resource.uri).sort();
    if (uris.length === 0) {
        throw new Skipped('the server lists no resources');
    }
    const read = {};
    for (const uri of uris.slice(0, 2)) {
        const { contents } = await session.readResource(uri);
        read[uri] = contents.map(part => {
            const data = part.text ?? part.blob ?? '';
            return { mime_type: part.mimeType ?? null, length: data.length, sha256: digest(data) };
        });
    }
    return { uris, read };
}

async function prompts(connect, target) {
    const session = await connect(target);
    if (!session.info().capabilities.prompts) {
        throw new Skipped('the server offers no prompts');
    }
    const listed = await session.listPrompts();
    if (listed.length === 0) {
        throw new Skipped('the server lists no prompts');
    }
    const [name] = namesOf(listed);
    const required = (listed.find(prompt => prompt.name === name).arguments ?? []).filter(argument => argument.required);
    const got = await session.getPrompt(name, Object.fromEntries(required.map(argument => [argument.name, 'Ada'])));
    return {
        names: namesOf(listed),
        got: name,
        messages: got.messages.map(({ role, content }) => ({ role, content: contentOf([content]) }))
    };
}

async function long_call(connect, target) {
    const session = await connect(target);
    const [name, args] = first(
        await session.listTools(),
        ['wait', { seconds: target.seconds, key: randomUUID() }],
        // Without a progress token this one is silent too.
        ['trigger-long-running-operation', { duration: target.seconds, steps: 1 }]
    );
    say('waiting');
    return resultOf(await session.call(name, args));
}

async function cancel(connect, target) {
    const session = await connect(target);
    const key = randomUUID();
    const [name, args] = first(
        await session.listTools(),
        ['wait', { seconds: NEVER_SECONDS, key }],
        ['trigger-long-running-operation', { duration: 10, steps: 50 }]
    );
    if (name !== 'wait') {
        const received = new Progress();
        const cancelled = await session.callUntil(() => received.reach(1), name, args, received.add);
        // The session goes on.
        await session.listTools();
        return { cancelled, server_saw_cancel: null };
    }
    const reached = async state => (await session.call('call_reached', { key, state })).structuredContent.result;
    const started = async () => {
        if (!(await reached('started'))) {
            throw new Error('the server never started the call');
        }
    };
    const cancelled = await session.callUntil(started, name, args);
    return { cancelled, server_saw_cancel: await reached('cancelled') };
}

async function reconnect(connect, target) {
    if (target.transport === 'sse') {
        throw new Skipped('the HTTP+SSE transport cannot resume a stream');
    }
    // The 2026-07-28 era has no resumption, so this is about the session era with every SDK.
    const listed = await (await connect(target, { legacy: true })).listTools();
    const [name, args] = first(
        listed,
        ['interrupted_count', { steps: INTERRUPTED_STEPS, cut_after: CUT_AFTER }],
        // The server's event store can replay but not go on with a resumed stream, so its call is over by the time the
        // client is back (1 s later).
        ['trigger-long-running-operation', { duration: 0.06, steps: INTERRUPTED_STEPS }]
    );
    const cutByClient = name !== 'interrupted_count';
    const session = await connect(target, { legacy: true, cutFirstToolStream: cutByClient });
    const received = new Progress();
    const result = await session.call(name, args, received.add);
    return {
        cut_by: cutByClient ? 'client' : 'server',
        resumptions: session.observed.resumptions,
        progress: received.values,
        result: resultOf(result)
    };
}

async function unauthorized(connect, target) {
    const names = Object.keys(target.headers);
    const wrong =
        names.length > 0 && names[0].toLowerCase() !== 'authorization'
            ? { [names[0]]: WRONG_TOKEN }
            : { Authorization: `Bearer ${WRONG_TOKEN}` };
    const refused = await refusal(async () => {
        const session = await connect({ ...target, headers: wrong });
        await session.listTools();
    });
    if (!refused) {
        throw new Skipped('the server lets in any token');
    }
    return refused;
}

// What a credential for some of the tools shows, and what it says to a call of another.
async function forbidden(connect, target) {
    const result = {};
    const refused = await refusal(async () => {
        const session = await connect(target);
        result.names = namesOf(await session.listTools());
        result.echo = resultOf(await session.call('echo', { message: 'allowed' }));
        await session.call('add', { a: 19, b: 23 });
    });
    return { refusal: refused, ...result };
}

// Calls again and again until that is refused, which somebody else has to bring about; then connects again.
async function until_refused(connect, target) {
    let calls = 0;
    const refused = await refusal(async () => {
        const session = await connect(target);
        session.isWelcome = false;
        await session.listTools();
        await keepCalling(session, () => {
            calls += 1;
            if (calls === 1) {
                say('working');
            }
        });
    });
    say('ended');
    const again = await refusal(async () => {
        const session = await connect(target);
        await session.listTools();
    });
    return { refusal: refused, again, calls };
}

// A call that stays silent until its connection is broken off, which somebody else has to do. Other calls go on meanwhile,
// as the SDKs of the session era do not end a call by themselves whose stream they cannot resume.
async function held(connect, target) {
    const refused = await refusal(async () => {
        const session = await connect(target);
        session.isWelcome = false;
        const key = randomUUID();
        const [name, args] = first(await session.listTools(), ['wait', { seconds: NEVER_SECONDS, key }]);
        const watch = async () => {
            const { structuredContent } = await session.call('call_reached', { key, state: 'started' });
            if (!structuredContent.result) {
                throw new Error('the server never started the call');
            }
            say('held');
            await keepCalling(session, () => {});
        };
        await Promise.race([session.call(name, args), watch()]);
    });
    say('ended');
    return { refusal: refused };
}

async function keepCalling(session, called) {
    for (;;) {
        const patience = AbortSignal.timeout(PATIENCE_MS);
        try {
            await session.call('echo', { message: 'still here' }, undefined, patience);
            called();
        } catch (error) {
            if (!patience.aborted) {
                throw error;
            }
        }
        await setTimeout(PAUSE_MS);
    }
}

// Tells whoever started this process where it is; stdout is for results.
const say = state => process.stderr.write(`AT ${state}\n`);

// The SDK's error that ends `talk`.
async function refusal(talk) {
    try {
        await talk();
    } catch (error) {
        if (error instanceof Skipped) {
            throw error;
        }
        // 1.x has the HTTP status as `code`; 2.x has a kind there and the status beside it; over HTTP+SSE both have it in
        // their words alone.
        const said = /\(HTTP (\d{3})\)/.exec(error.message);
        const status = error.status ?? error.code ?? (said && Number(said[1]));
        return {
            error_class: error.constructor.name,
            status: Number.isInteger(status) ? status : null,
            kind: typeof error.code === 'string' ? error.code : null
        };
    }
    return null;
}

export const SCENARIOS = {
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
    held
};
