//! What the relay answers on its own name, and to its operator.

use gantz_tests::{DOMAIN, Raw, client, relay};
use http::Method;

#[tokio::test]
async fn the_relay_has_a_page_and_health_on_its_own_name() {
    let relay = relay().start_relay();
    let caller = client::reqwest(&relay, DOMAIN, false);
    let url = format!("https://{DOMAIN}:{}", relay.edge_addr().port());
    let page = caller.get(&url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = page.text().await.unwrap();
    assert!(page.contains(DOMAIN) && page.contains("gantz run"), "{page}");
    for path in ["/healthz", "/health", "/healthz?x=1"] {
        let answer = caller.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "ok\n"), "{path}");
    }
    let head = caller.head(format!("{url}/healthz")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
}

#[tokio::test]
async fn what_it_does_not_have_it_says_in_its_own_words() {
    let relay = relay().start_relay();
    let caller = client::reqwest(&relay, DOMAIN, false);
    let url = format!("https://{DOMAIN}:{}", relay.edge_addr().port());
    for (method, path, status, code) in [
        (Method::GET, "/mcp", 404, "not_found"),
        (Method::POST, "/mcp", 404, "not_found"),
        (Method::GET, "/.well-known/oauth-protected-resource", 404, "not_found"),
        (Method::POST, "/", 405, "method_not_allowed"),
        (Method::DELETE, "/healthz", 405, "method_not_allowed"),
    ] {
        let answer = caller.request(method.clone(), format!("{url}{path}")).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.headers()["gantz-error"], code);
        if status == 405 {
            // RFC 9110 §15.5.6.
            assert!(answer.headers()["allow"].to_str().unwrap().contains("GET"));
        }
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["error"], code);
    }
}

#[tokio::test]
async fn the_operators_listener_has_health() {
    let relay = relay().start_relay();
    for (path, status, body) in [("/healthz", 200, "ok\n"), ("/health", 200, "ok\n"), ("/mcp", 404, "")] {
        let mut caller = Raw::plain(relay.admin_addr().unwrap()).await;
        caller.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        let answer = String::from_utf8(caller.to_end().await.1).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{path}: {answer}");
    }
}
