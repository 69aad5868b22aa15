//! The scenarios of `tests/e2e/python/scenarios.py`, for the Rust SDK's client.

use std::error::Error;

use rmcp::model::*;
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};

use crate::clients::{Credential, LONG_CALL_SECONDS, Route};
use crate::rmcp_client::{Era, Session, connect};

const PROGRESS_STEPS: usize = 5;
const INTERRUPTED_STEPS: usize = 6;
/// Asked for by a call that is to be cancelled: long enough that it cannot end by itself meanwhile.
const NEVER_SECONDS: u64 = 120;

type Outcome = Result<Value, Box<dyn Error + Send + Sync>>;

/// One scenario, over a connection of its own.
pub(crate) async fn run(name: &str, route: &Route) -> Outcome {
    if name == "unauthorized" {
        return unauthorized(route).await;
    }
    // Only sessions have resumption.
    let era = if name == "reconnect" { Era::Sessions } else { Era::Newest };
    let session = connect(route, era).await?;
    let result = match name {
        "initialize" => initialize(&session).await,
        "tools" => tools(&session).await,
        "progress" => progress(&session).await,
        "sampling" => ask(&session, "ask_model", "trigger-sampling-request", json!({ "prompt": "What is it?" })).await,
        "elicitation" => ask(&session, "ask_user", "trigger-elicitation-request", json!({})).await,
        "resources" => resources(&session).await,
        "prompts" => prompts(&session).await,
        "long_call" => long_call(&session).await,
        "cancel" => cancel(&session).await,
        "reconnect" => reconnect(&session).await,
        _ => Err(format!("there is no scenario {name}").into()),
    };
    session.cancel().await?;
    result
}

async fn initialize(session: &Session) -> Outcome {
    session.list_all_tools().await?;
    let info = serde_json::to_value(session.peer_info().ok_or("no answer to initialize")?.as_ref().clone())?;
    let capabilities: Vec<&String> = info["capabilities"].as_object().ok_or("no capabilities")?.keys().collect();
    Ok(json!({
        "protocol_version": info["protocolVersion"],
        "server_name": info["serverInfo"]["name"],
        "capabilities": capabilities,
    }))
}

async fn tools(session: &Session) -> Outcome {
    let names = names(session).await?;
    let echo = call(session, "echo", json!({ "message": "Grüße, 你好, 🐧\nand a second line" })).await?;
    let sum = first(&names, &["add", "get-sum"])?;
    let sum = call(session, sum, json!({ "a": 19, "b": 23 })).await?;
    let mut result = json!({ "names": names, "echo": echo, "sum": sum });
    if names.iter().any(|name| name == "tagged_echo") {
        // The SDK sends the argument as a field, too, when it knows the tool's schema.
        result["tagged_echo"] = call(session, "tagged_echo", json!({ "message": "hello", "tag": "blue" })).await?;
    }
    Ok(result)
}

async fn progress(session: &Session) -> Outcome {
    let tool = first(&names(session).await?, &["count", "trigger-long-running-operation"])?;
    let result = call(session, tool, json!({ "duration": 0.5, "steps": PROGRESS_STEPS })).await?;
    Ok(json!({ "progress": reported(session, PROGRESS_STEPS).await?, "result": result }))
}

async fn ask(session: &Session, tool: &'static str, reference: &'static str, arguments: Value) -> Outcome {
    let tool = first(&names(session).await?, &[tool, reference])?;
    call(session, tool, arguments).await
}

async fn resources(session: &Session) -> Outcome {
    let mut uris: Vec<String> = session.list_all_resources().await?.into_iter().map(|one| one.uri).collect();
    uris.sort();
    let mut read = Vec::new();
    for uri in uris.iter().take(2) {
        read.push(serde_json::to_value(session.read_resource(ReadResourceRequestParams::new(uri)).await?)?);
    }
    Ok(json!({ "uris": uris, "read": read }))
}

async fn prompts(session: &Session) -> Outcome {
    let mut listed = session.list_all_prompts().await?;
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    let prompt = listed.first().ok_or("the server lists no prompts")?;
    let required = prompt.arguments.iter().flatten().filter(|argument| argument.required == Some(true));
    let arguments = required.map(|argument| (argument.name.clone(), json!("Ada"))).collect();
    let got = session.get_prompt(GetPromptRequestParams::new(&prompt.name).with_arguments(arguments)).await?;
    let names: Vec<&String> = listed.iter().map(|prompt| &prompt.name).collect();
    Ok(json!({ "names": names, "got": got }))
}

async fn long_call(session: &Session) -> Outcome {
    let key = format!("{:032x}", rand::random::<u128>());
    let (tool, arguments) = match first(&names(session).await?, &["wait", "trigger-long-running-operation"])? {
        tool @ "wait" => (tool, json!({ "seconds": LONG_CALL_SECONDS, "key": key })),
        // Its one progress notification comes with the end.
        tool => (tool, json!({ "duration": LONG_CALL_SECONDS, "steps": 1 })),
    };
    call(session, tool, arguments).await
}

async fn cancel(session: &Session) -> Outcome {
    let names = names(session).await?;
    let tool = first(&names, &["wait", "trigger-long-running-operation"])?;
    let key = format!("{:032x}", rand::random::<u128>());
    let arguments = match tool {
        "wait" => json!({ "seconds": NEVER_SECONDS, "key": key }),
        _ => json!({ "duration": 10, "steps": 50 }),
    };
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params(tool, arguments)));
    let running = session.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
    if tool != "wait" {
        reported(session, 1).await?;
        running.cancel(Some("test".into())).await?;
        // The session goes on.
        session.list_all_tools().await?;
        return Ok(json!({ "cancelled": true, "server_saw_cancel": null }));
    }
    let reached = async |state: &str| -> Outcome {
        let result = call(session, "call_reached", json!({ "key": key, "state": state })).await?;
        Ok(result["structured"]["result"].clone())
    };
    if reached("started").await? != true {
        return Err("the server never started the call".into());
    }
    running.cancel(Some("test".into())).await?;
    Ok(json!({ "cancelled": true, "server_saw_cancel": reached("cancelled").await? }))
}

/// The SDK comes back by itself with `Last-Event-ID` when the server closes the stream; what is reported after that
/// can have come in no other way. Where no tool closes it, a call over an unbroken stream.
async fn reconnect(session: &Session) -> Outcome {
    let tool = first(&names(session).await?, &["interrupted_count", "trigger-long-running-operation"])?;
    let arguments = match tool {
        "interrupted_count" => json!({ "steps": INTERRUPTED_STEPS, "cut_after": 2 }),
        _ => json!({ "duration": 0.06, "steps": INTERRUPTED_STEPS }),
    };
    let cut_by = (tool == "interrupted_count").then_some("server");
    let result = call(session, tool, arguments).await?;
    Ok(json!({ "cut_by": cut_by, "progress": reported(session, INTERRUPTED_STEPS).await?, "result": result }))
}

async fn unauthorized(route: &Route) -> Outcome {
    let wrong = "not-the-token".to_owned();
    let credential = match route.credential {
        Credential::ApiKey(_) => Credential::ApiKey(wrong),
        _ => Credential::Bearer(wrong),
    };
    match connect(&Route { credential, ..route.clone() }, Era::Newest).await {
        Ok(_) => Err("the server lets in any token".into()),
        Err(error) if error.is_authorization_required() => {
            Ok(json!({ "error_class": "AuthRequired", "challenge": error.auth_challenge() }))
        }
        Err(error) => Err(error.into()),
    }
}

async fn names(session: &Session) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let mut names: Vec<String> =
        session.list_all_tools().await?.into_iter().map(|tool| tool.name.into_owned()).collect();
    names.sort();
    Ok(names)
}

/// The first of these tools that the server lists.
fn first(listed: &[String], tools: &[&'static str]) -> Result<&'static str, String> {
    let found = tools.iter().find(|tool| listed.iter().any(|name| name == **tool));
    found.copied().ok_or_else(|| format!("the server lists none of {tools:?}"))
}

fn params(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else { unreachable!("arguments are an object") };
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

async fn call(session: &Session, tool: &'static str, arguments: Value) -> Outcome {
    let result = serde_json::to_value(session.call_tool(params(tool, arguments)).await?)?;
    Ok(json!({
        "content": result["content"],
        "structured": result["structuredContent"],
        "is_error": result["isError"],
    }))
}

/// The progress of this session, once so much has come: a notification may lag behind the call's result.
async fn reported(session: &Session, count: usize) -> Outcome {
    let mut progress = session.service().progress.subscribe();
    let seen = progress.wait_for(|seen| seen.len() >= count).await?;
    Ok(json!(*seen))
}
