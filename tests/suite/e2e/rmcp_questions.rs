//! What the Rust SDK's server asks its clients in the middle of a call.

use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

/// The key under which a request for input and its answer go.
const ASKED: &str = "asked";

/// Asks the client: by a request of the server's own in the session era, by an `input_required` result (the inner
/// error) since 2026-07-28.
pub(crate) async fn ask(
    call: &CallToolRequestParams,
    question: InputRequest,
    context: &RequestContext<RoleServer>,
) -> Result<Result<Value, InputRequiredResult>, ErrorData> {
    if let Some(answers) = &call.input_responses {
        return Ok(Ok(answers[ASKED].clone()));
    }
    if context.protocol_version() == Some(ProtocolVersion::V_2026_07_28) {
        let questions = [(ASKED.to_owned(), question)].into();
        return Ok(Err(InputRequiredResult::new(Some(questions), None)));
    }
    let request = match question {
        InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
        InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
        _ => unreachable!("nothing else is asked"),
    };
    let answer = context.peer.send_request(request).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(Ok(serde_json::to_value(answer).unwrap()))
}

#[allow(deprecated, reason = "what clients in the field are asked")]
pub(crate) fn sampling(prompt: &str) -> InputRequest {
    let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], 100);
    InputRequest::CreateMessage(CreateMessageRequest::new(params))
}

pub(crate) fn elicitation() -> InputRequest {
    let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    InputRequest::Elicitation(ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: "Who are you?".into(),
        requested_schema: serde_json::from_value(schema).unwrap(),
    }))
}
