// The MCP client of the end-to-end suite on the 2.x TypeScript SDK. Usage: see README.md and cli.mjs.

import { readFileSync } from 'node:fs';

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { CAPABILITIES, CLIENT_INFO, ELICITED, SAMPLED } from './answers.mjs';
import { main } from './cli.mjs';
import { makeFetch, Observed } from './http_layer.mjs';
import { Session } from './session.mjs';

class SessionV2 extends Session {
    callTool(params, options) {
        return this.client.callTool(params, options);
    }
}

// The SDK's own default is the session era; the suite asks for negotiation, which ends at 2026-07-28 where the server
// speaks it. `legacy` is for what exists only in the session era.
async function connect(target, { legacy = false, cutFirstToolStream = false } = {}) {
    const observed = new Observed();
    const options = {
        fetch: makeFetch(target.connectTo, observed, cutFirstToolStream),
        requestInit: { headers: target.headers }
    };
    const url = new URL(target.url);
    const transport =
        target.transport === 'sse' ? new SSEClientTransport(url, options) : new StreamableHTTPClientTransport(url, options);
    const watcher = Session.watchProgress(transport);

    const client = new Client(CLIENT_INFO, {
        capabilities: CAPABILITIES,
        versionNegotiation: { mode: legacy ? 'legacy' : target.era }
    });
    client.setRequestHandler('sampling/createMessage', async () => SAMPLED);
    client.setRequestHandler('elicitation/create', async () => ELICITED);
    client.onerror = error => console.error(`onerror: ${error.message}`);
    try {
        await client.connect(transport);
    } catch (error) {
        await client.close();
        throw error;
    }
    watcher.session = new SessionV2(client, transport, observed, () => client.getNegotiatedProtocolVersion() ?? null);
    return watcher.session;
}

// The package's exports hide its package.json, so it is read from above a file that they show.
const manifest = new URL('../package.json', import.meta.resolve('@modelcontextprotocol/client'));
const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
await main(`typescript-${version}`, connect);
