// One connection behind the interface that the scenarios use; both SDK lines have the same shape up to here.

// A request's own time limit in the SDK is 60 s; the deadline of a scenario is what counts here.
const REQUEST_TIMEOUT_MS = 600_000;

export class Session {
    constructor(client, transport, observed, protocolVersion) {
        this.client = client;
        this.transport = transport;
        this.observed = observed;
        this.protocolVersion = protocolVersion;
        // Set while a call is running that wants to see progress notifications.
        this.onProgress = undefined;
        // Unset where the credential is dead by the end: a goodbye would be refused.
        this.isWelcome = true;
    }

    // Progress is read off the messages as they come in. The SDKs' `onprogress` drops a notification whose response
    // was handled before it, which depends on how both were packed into chunks on the way.
    static watchProgress(transport) {
        const watcher = { session: undefined };
        transport.onmessage = message => {
            if (message.method === 'notifications/progress') {
                watcher.session?.onProgress?.(message.params.progress, message.params.total);
            }
        };
        return watcher;
    }

    info() {
        return {
            protocol_version: this.protocolVersion(),
            server_name: this.client.getServerVersion()?.name ?? null,
            capabilities: this.client.getServerCapabilities() ?? {}
        };
    }

    async listTools() {
        return (await this.client.listTools()).tools;
    }

    async listResources() {
        return (await this.client.listResources()).resources;
    }

    readResource(uri) {
        return this.client.readResource({ uri });
    }

    async listPrompts() {
        return (await this.client.listPrompts()).prompts;
    }

    getPrompt(name, args) {
        return this.client.getPrompt({ name, arguments: args });
    }

    call(name, args, onProgress, signal) {
        const options = { timeout: REQUEST_TIMEOUT_MS, signal };
        if (onProgress) {
            this.onProgress = onProgress;
            // Makes the SDK ask for progress at all.
            options.onprogress = () => {};
        }
        return this.callTool({ name, arguments: args }, options);
    }

    // Calls a tool and cancels the call once `condition()` resolves. True if the call ended by that and not before.
    async callUntil(condition, name, args, onProgress) {
        const abort = new AbortController();
        let ended = false;
        const call = this.call(name, args, onProgress, abort.signal).finally(() => {
            ended = true;
        });
        // A call that fails early fails the condition's wait too.
        await Promise.race([condition(), call]);
        if (ended) {
            return false;
        }
        abort.abort('test');
        return call.then(
            () => false,
            () => true
        );
    }

    async close() {
        if (this.isWelcome && this.transport.terminateSession) {
            await this.transport.terminateSession();
        }
        await this.client.close();
    }
}
