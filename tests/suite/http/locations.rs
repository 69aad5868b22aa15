//! `Location` and `Content-Location` of the local server's own: callers get them under the tunnel's public origin, and
//! nobody goes after a redirect for them (RFC 9110 §10.2.2, §8.7).

use gantz_tests::{Origin, World};
use http::Method;

use crate::caller::{EVERY_WAY, Over, nothing, whole};
use crate::script::{answering, scripted};

/// Says of itself what `location` makes of its address.
fn redirecting(location: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> Origin {
    scripted(move |mut line| {
        let location = location.clone();
        async move {
            while let Some(head) = line.head().await {
                let location = location(crate::script::values(&head, "host")[0]);
                line.say(format!(
                    "HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Location: {location}\r\n\
                     Content-Length: 0\r\n\r\n"
                ))
                .await;
            }
        }
    })
}

async fn locations(over: Over, world: &World) -> [String; 2] {
    let mut caller = over.caller(world).await;
    let request = caller.request(Method::POST, "/mcp").body(nothing()).unwrap();
    let (parts, _) = whole(caller.send(request).await.unwrap()).await;
    assert_eq!(parts.status, 307, "{over:?}: it is the caller's to go after");
    ["location", "content-location"].map(|name| parts.headers[name].to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_servers_own_address_becomes_the_public_origin() {
    for over in EVERY_WAY {
        for scheme in ["http:", "https:", ""] {
            let world = over.world(redirecting(move |host| format!("{scheme}//{host}/mcp/?a=%2F#b"))).await;
            let public = format!("{}/mcp/?a=%2F#b", world.url);
            assert_eq!(locations(over, &world).await, [public.clone(), public], "{over:?}");
        }
    }
}

#[tokio::test]
async fn so_does_the_host_that_it_was_told() {
    let world = gantz_tests::relay()
        .server(redirecting(|host| format!("http://{host}/mcp/")))
        .agent_config(|config| config.host_header = Some(http::HeaderValue::from_static("tools.internal")))
        .start()
        .await;
    let public = format!("{}/mcp/", world.url);
    assert_eq!(locations(Over::Http2, &world).await, [public.clone(), public]);
}

#[tokio::test]
async fn every_other_one_is_left_alone() {
    for location in [
        "/mcp/",
        "mcp/",
        "",
        "https://elsewhere.example/mcp/",
        "//elsewhere.example/mcp/",
        "http://127.0.0.1:1/",
        "//127.0.0.1:1/",
        "mailto:a@b.example",
    ] {
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Location: {location}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let world = Over::Http2.world(answering(answer)).await;
        assert_eq!(locations(Over::Http2, &world).await, [location, location]);
    }
}
