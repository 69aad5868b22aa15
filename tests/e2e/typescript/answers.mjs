// What the client's side of the conversation says: fixed, so that results can be compared.

export const CLIENT_INFO = { name: 'gantz-e2e-typescript', version: '1.0.0' };
export const CAPABILITIES = { sampling: {}, elicitation: {} };

export const SAMPLED = {
    role: 'assistant',
    content: { type: 'text', text: 'an answer from the test client' },
    model: 'test-model',
    stopReason: 'endTurn'
};
export const ELICITED = { action: 'accept', content: { name: 'Ada' } };
