//! A server on the Rust SDK, with the tools of `tests/e2e/python/server.py` under the same names, so that every client's
//! scenarios run against it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::rmcp_questions::{ask, elicitation, sampling};
use crate::rmcp_sessions::Sessions;

/// How long a question about a call's state waits for that state before the answer is "no".
const STATE_WAIT: Duration = Duration::from_secs(10);

/// Serves `/mcp` until `stop`.
pub(crate) async fn serve(listener: TcpListener, stop: CancellationToken) {
    let sessions = Arc::<Sessions>::default();
    let config = StreamableHttpServerConfig::default().with_cancellation_token(stop.clone());
    let calls = Arc::<Calls>::default();
    let server = Server { calls, sessions: sessions.clone() };
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    let router = Router::new().route_service("/mcp", service);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await.unwrap();
}

/// The `wait` calls by the keys that their callers chose.
#[derive(Default)]
struct Calls(Mutex<HashMap<String, Call>>);

/// The states of one call: cancelled means reached.
#[derive(Clone, Default)]
struct Call {
    started: CancellationToken,
    cancelled: CancellationToken,
}

impl Calls {
    fn get(&self, key: &str) -> Call {
        self.0.lock().unwrap().entry(key.to_owned()).or_default().clone()
    }
}

#[derive(Clone)]
struct Server {
    calls: Arc<Calls>,
    sessions: Arc<Sessions>,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("gantz-e2e-rust", "1.0.0"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![
            tool("echo", "Give back the message.", &[("message", "string")]),
            tool("add", "Add two numbers.", &[("a", "integer"), ("b", "integer")]),
            tool("count", "Report progress `steps` times.", &[("steps", "integer")]),
            tool(
                "interrupted_count",
                "As `count`, with the stream closed after `cut_after`.",
                &[("steps", "integer"), ("cut_after", "integer")],
            ),
            tool("wait", "Stay silent, then answer.", &[("seconds", "number"), ("key", "string")]),
            tool("call_reached", "Whether that `wait` got there.", &[("key", "string"), ("state", "string")]),
            tool("ask_model", "Ask the client's model.", &[("prompt", "string")]),
            tool("ask_user", "Ask the client's user.", &[]),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.clone().unwrap_or_default());
        let text = |key: &str| arguments[key].as_str().unwrap_or_default();
        let number = |key: &str| arguments[key].as_f64().unwrap_or_default();
        let result = match &*request.name {
            "echo" => text("message").to_owned(),
            "add" => (number("a") + number("b")).to_string(),
            "count" => count(number("steps"), None, &context).await?,
            "interrupted_count" => {
                let cut = Cut { after: number("cut_after") as u32, sessions: &self.sessions };
                count(number("steps"), Some(cut), &context).await?
            }
            "wait" => {
                let call = self.calls.get(text("key"));
                call.started.cancel();
                tokio::select! {
                    () = sleep(Duration::from_secs_f64(number("seconds"))) => format!("waited {} s", number("seconds")),
                    () = context.ct.cancelled() => {
                        call.cancelled.cancel();
                        return Err(ErrorData::internal_error("cancelled", None));
                    }
                }
            }
            "call_reached" => {
                let call = self.calls.get(text("key"));
                let state = if text("state") == "started" { call.started } else { call.cancelled };
                let reached = timeout(STATE_WAIT, state.cancelled()).await.is_ok();
                return Ok(CallToolResult::structured(json!({ "result": reached })).into());
            }
            "ask_model" => match ask(&request, sampling(text("prompt")), &context).await? {
                Ok(said) => format!("the model said: {}", said["content"]["text"].as_str().unwrap_or_default()),
                Err(input_required) => return Ok(input_required.into()),
            },
            "ask_user" => match ask(&request, elicitation(), &context).await? {
                Ok(said) => format!("the user is {}", said["content"]["name"].as_str().unwrap_or_default()),
                Err(input_required) => return Ok(input_required.into()),
            },
            _ => return Err(ErrorData::invalid_params("no such tool", None)),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(result)]).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![
            Resource::new("e2e://greeting", "greeting").with_mime_type("text/plain"),
            Resource::new("e2e://numbers", "numbers").with_mime_type("text/plain"),
        ]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let text = match request.uri.as_str() {
            "e2e://greeting" => "Hello, Grüße, 你好, 🐧".to_owned(),
            "e2e://numbers" => (0..12_000).map(|number| format!("{number}\n")).collect(),
            _ => return Err(ErrorData::resource_not_found("no such resource", None)),
        };
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, request.uri)]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let name = PromptArgument::new("name").with_required(true);
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new("greet", Some("A greeting"), Some(vec![name]))]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let name = request.arguments.as_ref().and_then(|arguments| arguments.get("name")).and_then(Value::as_str);
        let text = format!("Say hello to {}.", name.unwrap_or_default());
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into())
    }
}

fn tool(name: &'static str, description: &'static str, arguments: &[(&str, &str)]) -> Tool {
    let properties: JsonObject =
        arguments.iter().map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
    let required: Vec<&str> = arguments.iter().map(|(name, _)| *name).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let Value::Object(schema) = schema else { unreachable!() };
    Tool::new(name, description, schema)
}

/// When the stream of a call is closed, and where that is done.
struct Cut<'a> {
    after: u32,
    sessions: &'a Sessions,
}

async fn count(steps: f64, cut: Option<Cut<'_>>, context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
    let token = context.meta.get_progress_token();
    let mut resumed = None;
    for step in 1..=steps as u32 {
        if let Some(token) = token.clone() {
            let progress = ProgressNotificationParam::new(token, step.into()).with_total(steps);
            let sent = context.peer.notify_progress(progress).await;
            sent.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
        if let Some(cut) = cut.as_ref().filter(|cut| cut.after == step) {
            let parts = context.extensions.get::<http::request::Parts>();
            let session = parts.and_then(|parts| parts.headers.get("mcp-session-id")?.to_str().ok());
            let session = session.ok_or_else(|| ErrorData::invalid_params("only sessions have resumption", None))?;
            let cut = cut.sessions.cut(session, &context.id).await;
            resumed = Some(cut.map_err(|why| ErrorData::internal_error(why, None))?);
        }
    }
    if let Some(resumed) = resumed {
        // The SDK forgets a stream with its result: one that is there before the client has come back would be lost.
        tokio::select! {
            () = resumed.cancelled() => {}
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
        }
    }
    Ok(format!("counted to {steps}"))
}
