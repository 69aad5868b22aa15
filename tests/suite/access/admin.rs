//! Keys and names over HTTP, on the operator's own listener, with a token of its own.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::relay::plain_http;
use crate::{Key, Relay};

struct Operator<'a> {
    relay: &'a Relay,
    token: String,
    client: reqwest::Client,
}

impl<'a> Operator<'a> {
    fn of(relay: &'a Relay) -> Self {
        let token = std::fs::read_to_string(relay.folder.path().join("state/admin.token")).unwrap();
        Self { relay, token, client: plain_http().build().unwrap() }
    }

    async fn asks(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, self.relay.admin(path)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn a_key_and_its_name_from_beginning_to_end() {
    let relay = Relay::start().await;
    let operator = Operator::of(&relay);
    let wanted = json!({ "label": "alice", "tunnels": 2, "names": "alice-*", "rate": "100/s", "expires": "90d" });
    let (status, made) = operator.asks(Method::POST, "/v1/keys", Some(wanted)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let key = Key::of(&made);
    let run = relay.open(&key, "--name alice-tools").await;
    let (_, listed) = operator.asks(Method::GET, "/v1/keys", None).await;
    let listed = listed["keys"].as_array().unwrap().iter().find(|listed| listed["id"] == *key.id).unwrap().clone();
    assert_eq!((&listed["open"], &listed["tunnels"], &listed["names"]), (&json!(1), &json!(2), &json!("alice-*")));
    assert!(listed.get("key").is_none(), "a list has no secret: {listed}");
    let (_, names) = operator.asks(Method::GET, "/v1/names", None).await;
    assert_eq!(names["names"][0]["name"], "alice-tools", "{names}");

    let (status, revoked) = operator.asks(Method::DELETE, &format!("/v1/keys/{}", key.id), None).await;
    assert_eq!((status, &revoked["revoked"][0]), (StatusCode::OK, &json!(key.id)));
    let screen = run.refused().await;
    assert!(screen.contains("the access key was revoked"), "{screen}");
    let (status, _) = operator.asks(Method::DELETE, "/v1/names/alice-tools", None).await;
    assert_eq!(status, StatusCode::OK);
    for path in ["/v1/names/alice-tools", "/v1/keys/nobody"] {
        let (status, answer) = operator.asks(Method::DELETE, path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    }
    relay.assert_silent_about(&key);
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let relay = Relay::start().await;
    let mut operator = Operator::of(&relay);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let file = relay.folder.path().join("state/admin.token");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let right = std::mem::replace(&mut operator.token, "gza_wrong".into());
    for (method, path) in [
        (Method::GET, "/v1/keys"),
        (Method::POST, "/v1/keys"),
        (Method::DELETE, "/v1/keys/first"),
        (Method::GET, "/v1/names"),
        (Method::DELETE, "/v1/names/x"),
        (Method::GET, "/v1/anything"),
    ] {
        let (status, answer) = operator.asks(method, path, None).await;
        assert_eq!((status, &answer["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")));
    }
    // Health is for everybody who reaches the listener.
    let health = operator.client.get(relay.admin("/healthz")).send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), "ok\n");
    operator.token = right;
    for bad in [
        json!({}),
        json!({ "label": "" }),
        json!({ "label": "a", "names": "[" }),
        json!({ "label": "a", "tunnels": 0 }),
        json!({ "label": "a", "expires": "yesterday" }),
        json!({ "label": "a", "what": 1 }),
    ] {
        let (status, answer) = operator.asks(Method::POST, "/v1/keys", Some(bad.clone())).await;
        assert_eq!((status, &answer["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid")), "{bad}");
    }
    let relay = relay.restart().await;
    let operator = Operator::of(&relay);
    let (status, _) = operator.asks(Method::GET, "/v1/keys", None).await;
    assert_eq!(status, StatusCode::OK, "it is the same after a restart");
}
