// The HTTP client under the SDK: where connections go, what is counted, and how a stream is cut.
//
// Without `--connect-to` it is Node's own `fetch`, as an application has it. With it, it is that of undici (the library
// inside Node), because only a dispatcher can be told where to connect.

import { Agent, buildConnector, fetch as undiciFetch } from 'undici';

const PROGRESS = 'notifications/progress';

// What one connection did on the wire, as far as a scenario asks.
export class Observed {
    // Requests that resumed a stream: a GET with Last-Event-ID.
    resumptions = 0;
}

// A `fetch` that connects to one address, while Host header, SNI and certificate check stay those of the URL.
function pinnedFetch({ host, port }) {
    const connect = buildConnector({});
    const dispatcher = new Agent({
        connect(options, callback) {
            // For TLS undici takes the server name from the URL; it is set here because the host name is replaced.
            const servername = options.servername ?? options.hostname;
            connect({ ...options, hostname: host, host, port, servername }, callback);
        }
    });
    return (url, init) => undiciFetch(url, { ...init, dispatcher });
}

// The body up to and with the first progress event, and then an error.
function cutAfterProgress(body) {
    const decoder = new TextDecoder();
    const reader = body.getReader();
    let seen = '';
    return new ReadableStream({
        async pull(controller) {
            const { value, done } = await reader.read();
            if (done) {
                controller.close();
                return;
            }
            const start = seen.length;
            seen += decoder.decode(value, { stream: true });
            const progress = seen.indexOf(PROGRESS);
            const blank = progress < 0 ? null : /\r?\n\r?\n/.exec(seen.slice(progress));
            if (!blank) {
                controller.enqueue(value);
                return;
            }
            const end = progress + blank.index + blank[0].length;
            controller.enqueue(new TextEncoder().encode(seen.slice(start, end)));
            // The error comes with the next read: raised now, it would discard what was just queued.
            this.pull = async () => {
                await reader.cancel();
                controller.error(new Error('cut by the test client'));
            };
        },
        cancel(reason) {
            return reader.cancel(reason);
        }
    });
}

// The `fetch` to give to a transport. With `cutFirstToolStream` the first answer to a tool call breaks after one
// progress event.
export function makeFetch(connectTo, observed, cutFirstToolStream = false) {
    const inner = connectTo ? pinnedFetch(connectTo) : fetch;
    let cutDone = !cutFirstToolStream;
    return async (url, init) => {
        const headers = new Headers(init?.headers);
        const method = init?.method ?? 'GET';
        if (method === 'GET' && headers.has('last-event-id')) {
            observed.resumptions += 1;
        }
        const response = await inner(url, init);
        const isToolCall = method === 'POST' && typeof init.body === 'string' && init.body.includes('"tools/call"');
        if (!isToolCall || cutDone || !response.body) {
            return response;
        }
        cutDone = true;
        const { status, statusText } = response;
        return new Response(cutAfterProgress(response.body), { status, statusText, headers: [...response.headers] });
    };
}
