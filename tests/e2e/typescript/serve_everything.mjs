// Starts the reference server, unchanged, the way the suite's own servers start.
//
//     node serve_everything.mjs --transport http|sse [--port 0]
//
// By itself it takes a port from PORT, listens on all interfaces, and says which port it was given, not which one it has.
// Here it listens on 127.0.0.1, may take any free port, and one line on stdout says where it is once it accepts
// connections: `LISTENING http://127.0.0.1:PORT/mcp` (or `/sse`). What the server itself prints goes to stderr.

import { Server } from 'node:net';
import { parseArgs } from 'node:util';

const HOST = '127.0.0.1';
const EXIT_USAGE = 2;
const KINDS = {
    http: { module: 'streamableHttp.js', path: '/mcp' },
    sse: { module: 'sse.js', path: '/sse' }
};

const { values } = parseArgs({ options: { transport: { type: 'string' }, port: { type: 'string', default: '0' } } });
const kind = KINDS[values.transport];
if (!kind) {
    console.error('--transport is one of http, sse');
    process.exit(EXIT_USAGE);
}

console.log = console.error;
process.env.PORT = values.port;

const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
    this.once('listening', () => {
        process.stdout.write(`LISTENING http://${HOST}:${this.address().port}${kind.path}\n`);
    });
    return listen.call(this, Number(port), HOST, ...rest);
};

await import(`@modelcontextprotocol/server-everything/dist/transports/${kind.module}`);
