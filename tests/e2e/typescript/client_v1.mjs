// The MCP client of the end-to-end suite on the 1.x TypeScript SDK. Usage: see README.md and cli.mjs.

import { readFileSync } from 'node:fs';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

import { CAPABILITIES, CLIENT_INFO, ELICITED, SAMPLED } from './answers.mjs';
import { main } from './cli.mjs';
import { makeFetch, Observed } from './http_layer.mjs';
import { Session } from './session.mjs';

class SessionV1 extends Session {
    callTool(params, options) {
        return this.client.callTool(params, undefined, options);
    }
}

// `legacy` changes nothing here: 1.x knows no other era.
async function connect(target, { cutFirstToolStream = false } = {}) {
    const observed = new Observed();
    const options = {
        fetch: makeFetch(target.connectTo, observed, cutFirstToolStream),
        requestInit: { headers: target.headers }
    };
    const url = new URL(target.url);
    const transport =
        target.transport === 'sse' ? new SSEClientTransport(url, options) : new StreamableHTTPClientTransport(url, options);
    const watcher = Session.watchProgress(transport);
    let negotiated = null;
    const setProtocolVersion = transport.setProtocolVersion.bind(transport);
    transport.setProtocolVersion = version => {
        negotiated = version;
        setProtocolVersion(version);
    };

    const client = new Client(CLIENT_INFO, { capabilities: CAPABILITIES });
    client.setRequestHandler(CreateMessageRequestSchema, async () => SAMPLED);
    client.setRequestHandler(ElicitRequestSchema, async () => ELICITED);
    client.onerror = error => console.error(`onerror: ${error.message}`);
    try {
        await client.connect(transport);
    } catch (error) {
        await client.close();
        throw error;
    }
    watcher.session = new SessionV1(client, transport, observed, () => negotiated);
    return watcher.session;
}

// The package's exports hide its package.json, so it is read from above a file that they show.
const manifest = new URL('../../../package.json', import.meta.resolve('@modelcontextprotocol/sdk/client/index.js'));
const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
await main(`typescript-${version}`, connect);
