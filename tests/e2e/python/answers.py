"""What the client's side of the conversation says: fixed, so that results can be compared."""

from mcp import types

SAMPLED = {
    "role": "assistant",
    "content": {"type": "text", "text": "an answer from the test client"},
    "model": "test-model",
    "stopReason": "endTurn",
}
ELICITED = {"action": "accept", "content": {"name": "Ada"}}


async def sample(context, params):
    return types.CreateMessageResult.model_validate(SAMPLED)


async def elicit(context, params):
    return types.ElicitResult.model_validate(ELICITED)
