//! Credentials as the clients show them: the wrong ones end in each client's own words for that, the right ones work
//! under either name.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::clients::{Client, Credential, PYTHON_AND_TYPESCRIPT, Route};
use crate::gantz::{Gantz, Tunnel};
use crate::servers::{self, Transport};

#[tokio::test]
async fn a_wrong_token_is_unauthorized_in_every_clients_own_words() {
    let mut gantz = Gantz::start().await;
    // One server is enough: none of these calls gets so far.
    let server = servers::demo(Transport::Http).await;
    let tunnel = gantz.run(server.port).await;
    let http = Route::tunnelled(&tunnel, Transport::Http);
    let sse = Route { url: tunnel.url.replace("/mcp", "/sse"), ..Route::tunnelled(&tunnel, Transport::Sse) };
    let api_key = with_api_key(&tunnel);

    let mut runs = vec![(Client::Rmcp, &http)];
    for client in PYTHON_AND_TYPESCRIPT {
        runs.extend([(client, &http), (client, &sse), (client, &api_key)]);
    }
    let answers = runs.iter().map(|(client, route)| client.run(route, &["unauthorized"]));
    for ((client, route), answer) in runs.iter().zip(join_all(answers).await) {
        let expected = json!({ "unauthorized": unauthorized(*client, route.transport) });
        assert_eq!(answer, Ok(expected), "{client:?} over {:?} with {:?}", route.transport, route.credential);
    }
    gantz.finish().await;
}

#[tokio::test]
async fn an_api_key_field_is_as_good_as_a_bearer_token() {
    let mut gantz = Gantz::start().await;
    let server = servers::demo(Transport::Http).await;
    let tunnel = gantz.run(server.port).await;
    let route = with_api_key(&tunnel);
    let clients = [Client::PythonV1, Client::PythonV2, Client::TypeScriptV1, Client::TypeScriptV2, Client::Rmcp];
    let answers = clients.iter().map(|client| client.run(&route, &["tools"]));
    for (client, answer) in clients.iter().zip(join_all(answers).await) {
        let answer = answer.unwrap_or_else(|why| panic!("{client:?}: {why}"));
        assert_eq!(answer["tools"]["sum"]["content"][0]["text"], "42", "{client:?}: {answer}");
    }
    gantz.finish().await;
}

fn with_api_key(tunnel: &Tunnel) -> Route {
    Route { credential: Credential::ApiKey(tunnel.token.clone()), ..Route::tunnelled(tunnel, Transport::Http) }
}

/// What each SDK makes of a 401; the table is in `tests/e2e/README.md`.
pub(crate) fn unauthorized(client: Client, transport: Transport) -> Value {
    match (client, transport) {
        (Client::PythonV1, _) | (Client::PythonV2, Transport::Sse) => {
            json!({ "error_class": "HTTPStatusError", "status": 401, "kind": null })
        }
        (Client::PythonV2, Transport::Http) => json!({ "error_class": "MCPError", "status": null, "kind": -32603 }),
        (Client::TypeScriptV1, Transport::Http) => {
            json!({ "error_class": "StreamableHTTPError", "status": 401, "kind": null })
        }
        (Client::TypeScriptV2, Transport::Http) => {
            json!({ "error_class": "SdkHttpError", "status": 401, "kind": "CLIENT_HTTP_AUTHENTICATION" })
        }
        (Client::TypeScriptV1 | Client::TypeScriptV2, Transport::Sse) => {
            json!({ "error_class": "SseError", "status": 401, "kind": null })
        }
        (Client::Rmcp, _) => {
            let challenge = concat!(
                r#"Bearer realm="gantz", error="invalid_token", "#,
                r#"error_description="The token is not valid for this tunnel""#
            );
            json!({ "error_class": "AuthRequired", "challenge": challenge })
        }
    }
}
