//! The Rust SDK's client, inside the test: how it connects, and what its side of the conversation says.

use std::collections::HashMap;
use std::time::Duration;

use gantz_tests::client::trusting;
use http::{HeaderName, HeaderValue};
use rmcp::model::*;
use rmcp::service::{ClientInitializeError, NotificationContext, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clients::{Credential, LONG_CALL_SECONDS, Route};
use crate::rmcp_scenarios;

/// What one scenario may take, connection included; `long_call` has its own seconds on top.
const DEADLINE: Duration = Duration::from_secs(45);

/// The results of `scenarios`, in the shape in which the client processes print theirs.
pub(crate) async fn run(route: &Route, scenarios: &[&str]) -> Value {
    let mut results = Map::new();
    for name in scenarios {
        let deadline = match *name {
            "long_call" => DEADLINE + Duration::from_secs(LONG_CALL_SECONDS),
            _ => DEADLINE,
        };
        let result = match timeout(deadline, rmcp_scenarios::run(name, route)).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => json!({ "error": error.to_string() }),
            Err(_) => json!({ "error": "timeout" }),
        };
        results.insert((*name).to_owned(), result);
    }
    Value::Object(results)
}

/// A connection.
pub(crate) type Session = RunningService<RoleClient, Handler>;

/// Which era is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// What the two ends settle on: 2026-07-28 where the server speaks it.
    Newest,
    /// Sessions, for what exists only there.
    Sessions,
}

/// Connects to where `route` leads.
pub(crate) async fn connect(route: &Route, era: Era) -> Result<Session, ClientInitializeError> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(route.url.as_str());
    match &route.credential {
        Credential::None => {}
        Credential::Bearer(token) => config = config.auth_header(token),
        Credential::ApiKey(token) => {
            let field = (HeaderName::from_static("x-api-key"), HeaderValue::from_str(token).unwrap());
            config = config.custom_headers(HashMap::from([field]));
        }
    }
    let lifecycle = match era {
        Era::Newest => {
            ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None }
        }
        Era::Sessions => ClientLifecycleMode::Initialize,
    };
    let transport = StreamableHttpClientTransport::with_client(http_client(route), config);
    Handler { progress: watch::Sender::default() }.serve_with_lifecycle(transport, lifecycle).await
}

fn http_client(route: &Route) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(tunnel) = &route.tunnel {
        let ca = std::fs::read_to_string(&tunnel.ca).unwrap();
        let url: http::Uri = route.url.parse().unwrap();
        builder = builder
            .tls_backend_preconfigured(trusting(&ca, &[b"h2", b"http/1.1"]))
            .resolve(url.host().unwrap(), tunnel.address.parse().unwrap());
    } else {
        // Plain HTTP; without TLS of its own reqwest asks for a provider of the whole process.
        builder = builder.tls_backend_preconfigured(trusting("", &[]));
    }
    builder.build().unwrap()
}

/// Answers the server, and keeps the progress that is reported.
pub(crate) struct Handler {
    /// Value and total of each notification, as they came.
    pub(crate) progress: watch::Sender<Vec<[u64; 2]>>,
}

impl ClientHandler for Handler {
    #[allow(deprecated, reason = "servers in the field ask for sampling")]
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_sampling().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("gantz-e2e-rust", "1.0.0"))
    }

    #[allow(deprecated, reason = "servers in the field ask for sampling")]
    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let message = SamplingMessage::assistant_text("an answer from the test client");
        Ok(CreateMessageResult::new(message, "test-model".into()).with_stop_reason("endTurn"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "name": "Ada" })))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        // Every server here counts in whole numbers.
        let values = [params.progress as u64, params.total.unwrap_or_default() as u64];
        self.progress.send_modify(|seen| seen.push(values));
    }
}
