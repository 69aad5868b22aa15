//! The edge's credential ends at the edge; where the edge asks for none, it is between the caller and the server.

use gantz_tests::{echo, relay};

#[tokio::test]
async fn neither_field_reaches_the_server_of_a_token_tunnel() {
    let world = relay().server(echo()).start().await;
    let token = world.token.clone();
    for (name, value) in [("authorization", format!("Bearer {token}")), ("x-api-key", token.clone())] {
        let answer = world.post("/mcp").header(name, &value).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }
    // The one that did not decide does not pass either.
    let both = world.post("/mcp").bearer_auth(&token).header("x-api-key", "something else");
    assert_eq!(both.send().await.unwrap().status(), 200);
    let seen = world.server.requests();
    assert_eq!(seen.len(), 3);
    for head in seen {
        assert!(!head.fields.contains_key("authorization"));
        assert!(!head.fields.contains_key("x-api-key"));
        assert!(!format!("{head:?}").contains(&token));
    }
}

#[tokio::test]
async fn an_open_tunnel_passes_both() {
    let world = relay().open().server(echo()).start().await;
    let request = world.post("/mcp").header("authorization", "Basic dTpw").header("x-api-key", "the servers own");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let seen = world.server.last().fields;
    assert_eq!(seen["authorization"], "Basic dTpw");
    assert_eq!(seen["x-api-key"], "the servers own");
}

#[tokio::test]
async fn an_open_tunnel_leaves_discovery_to_the_server() {
    let world = relay().open().server(echo()).start().await;
    let answer = world.get("/.well-known/oauth-protected-resource/mcp").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(world.server.last().path, "/.well-known/oauth-protected-resource/mcp");
}
