//! Every code of the edge's own answers, with its status and shape.

use gantz_shared::control::{Hello, Policy};
use gantz_shared::reset::StreamCode;
use gantz_tests::{DOMAIN, Raw, client, relay};
use serde_json::Value;

use super::raw_agent::{hello, open};

/// Asserts the shape that all of them have.
fn assert_shape(status: u16, fields: &http::HeaderMap, body: &str, code: &str) {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{code}: {error}: {body}"));
    let members = body.as_object().unwrap();
    assert_eq!(members.keys().map(String::as_str).collect::<Vec<_>>(), ["error", "message", "request_id"], "{code}");
    assert_eq!(body["error"], code);
    assert!(body["message"].as_str().unwrap().len() > 10, "{code}");
    assert_eq!(body["request_id"].as_str().unwrap().len(), 16, "{code}");
    assert_eq!(fields["gantz-error"], code);
    assert_eq!(fields["content-type"], "application/json", "{code}");
    assert_eq!(fields["cache-control"], "no-store", "{code}");
    assert_eq!(fields.contains_key("retry-after"), status == 503, "{code}");
    assert_eq!(fields.contains_key("www-authenticate"), status == 401, "{code}");
}

async fn check(answer: reqwest::Response, status: u16, code: &str) {
    assert_eq!(answer.status(), status, "{code}");
    let fields = answer.headers().clone();
    assert_shape(status, &fields, &answer.text().await.unwrap(), code);
}

#[tokio::test]
async fn what_the_agent_gives_up_has_a_code_each() {
    let relay = relay().start_relay();
    let agent = open(&relay, hello()).await.unwrap();
    for http1 in [true, false] {
        let caller = client::reqwest(&relay, &agent.host(), http1);
        for (given, status, code) in [
            (StreamCode::UpstreamUnavailable, 503, "upstream_unavailable"),
            (StreamCode::UpstreamTimeout, 504, "upstream_timeout"),
            (StreamCode::UpstreamInvalid, 502, "upstream_invalid"),
            (StreamCode::UpstreamLost, 502, "upstream_invalid"),
            (StreamCode::UpstreamTooLarge, 502, "upstream_invalid"),
            (StreamCode::Dropped, 502, "tunnel_lost"),
            (StreamCode::Protocol, 502, "tunnel_lost"),
        ] {
            let (answer, ()) = tokio::join!(caller.get(&agent.welcome.url).send(), async {
                agent.request().await.send.reset(given);
            });
            check(answer.unwrap(), status, code).await;
        }
    }
}

#[tokio::test]
async fn what_the_edge_refuses_has_a_code_each() {
    let relay = relay().relay_config(|config| config.limits.body = 10).start_relay();
    let agent = open(&relay, Hello { policy: Policy::default(), ..hello() }).await.unwrap();
    let url = &agent.welcome.url;
    let caller = client::reqwest(&relay, &agent.host(), false);
    check(caller.get(url).send().await.unwrap(), 401, "missing_token").await;
    check(caller.get(url).bearer_auth("x").send().await.unwrap(), 401, "invalid_token").await;
    check(caller.get(url).header("origin", "null").send().await.unwrap(), 403, "origin_not_allowed").await;
    let discovery = format!("{url}/.well-known/oauth-authorization-server");
    check(caller.get(discovery).send().await.unwrap(), 404, "no_authorization_server").await;
    let nobody = format!("nobody.{DOMAIN}");
    let port = relay.edge_addr().port();
    let other = client::reqwest(&relay, &nobody, false);
    check(other.get(format!("https://{nobody}:{port}")).send().await.unwrap(), 404, "tunnel_not_found").await;
    check(caller.get(url).header("host", "evil.example").send().await.unwrap(), 421, "misdirected_request").await;

    let open_agent = open(&relay, hello()).await.unwrap();
    let caller = client::reqwest(&relay, &open_agent.host(), false);
    let url = &open_agent.welcome.url;
    check(caller.post(url).body("eleven bytes").send().await.unwrap(), 413, "body_too_large").await;
    let mut large = caller.get(url);
    for number in 0..200 {
        large = large.header("x-field", number);
    }
    check(large.send().await.unwrap(), 431, "head_too_large").await;
}

#[tokio::test]
async fn a_request_that_is_none_is_answered_all_the_same() {
    let relay = relay().start_relay();
    for (head, status, code) in [
        ("GET / HTTP/1.1\r\nx: y", 400, "bad_request"),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1", 405, "connect_refused"),
        ("GET /nothing HTTP/1.1\r\nhost: relay.test", 404, "not_found"),
        ("PUT / HTTP/1.1\r\nhost: relay.test\r\ncontent-length: 0", 405, "method_not_allowed"),
    ] {
        let mut caller = Raw::connect(&relay, DOMAIN).await;
        caller.send(format!("{head}\r\nconnection: close\r\n\r\n")).await;
        let answer = String::from_utf8(caller.to_end().await.1).unwrap();
        let (answered, body) = answer.split_once("\r\n\r\n").unwrap();
        let (line, lines) = answered.split_once("\r\n").unwrap();
        assert!(line.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
        let fields = lines.lines().filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        assert_shape(status, &fields, body, code);
    }
}

#[tokio::test]
async fn request_ids_differ() {
    let relay = relay().start_relay();
    let caller = client::reqwest(&relay, DOMAIN, false);
    let url = format!("https://{DOMAIN}:{}/none", relay.edge_addr().port());
    let mut ids = std::collections::HashSet::new();
    for _ in 0..20 {
        let body: Value = caller.get(&url).send().await.unwrap().json().await.unwrap();
        assert!(ids.insert(body["request_id"].as_str().unwrap().to_owned()));
    }
}
