//! Which fields cross the tunnel, and how: repeated ones line by line, those of a connection not at all, and what a
//! caller says about itself never in place of what the relay knows.

use gantz_tests::{DOMAIN, within};
use http::Method;
use tokio::sync::mpsc;

use crate::caller::{EVERY_WAY, Over, nothing, whole};
use crate::script::{answering, scripted, values};

/// A server that hands on each head as it came.
fn noting() -> (gantz_tests::Origin, mpsc::UnboundedReceiver<String>) {
    let (told, heard) = mpsc::unbounded_channel();
    let server = scripted(move |mut line| {
        let told = told.clone();
        async move {
            while let Some(head) = line.head().await {
                told.send(head).unwrap();
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    });
    (server, heard)
}

#[tokio::test]
async fn an_answers_repeated_fields_stay_lines_in_order() {
    for over in EVERY_WAY {
        let server = answering(
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nX-Other: 1\r\nSet-Cookie: b=2, c\r\nSet-Cookie: a=1; Path=/\r\n\
             Empty:\r\nContent-Length: 0\r\n\r\n",
        );
        let world = over.world(server).await;
        let (parts, _) = over.caller(&world).await.get("/").await;
        let cookies: Vec<_> = parts.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2, c", "a=1; Path=/"], "{over:?}");
        assert_eq!(parts.headers["empty"], "");
    }
}

/// Tunnels are neighbours: a cookie for the domain that they share would go to all of them.
#[tokio::test]
async fn a_cookie_for_the_parent_domain_is_not_passed_on() {
    for over in EVERY_WAY {
        let server = answering(format!(
            "HTTP/1.1 200 OK\r\nSet-Cookie: own=1; Path=/\r\nSet-Cookie: all=1; Domain=.{DOMAIN}; Path=/\r\n\
             Set-Cookie: last=1\r\nContent-Length: 0\r\n\r\n"
        ));
        let world = over.world(server).await;
        let (parts, _) = over.caller(&world).await.get("/").await;
        let cookies: Vec<_> = parts.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["own=1; Path=/", "last=1"], "{over:?}");
    }
}

#[tokio::test]
async fn a_requests_repeated_fields_stay_lines_in_order() {
    for over in EVERY_WAY {
        let (server, mut heard) = noting();
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        let request = caller
            .request(Method::GET, "/")
            .header("x-many", "one")
            .header("accept", "text/x")
            .header("x-many", "two, three")
            .header("x-many", "one")
            .header("x-bytes", http::HeaderValue::from_bytes(b"caf\xc3\xa9 \xff").unwrap());
        whole(caller.send(request.body(nothing()).unwrap()).await.unwrap()).await;
        let head = within("the head", heard.recv()).await.unwrap();
        assert_eq!(values(&head, "x-many"), ["one", "two, three", "one"], "{over:?}");
        assert_eq!(values(&head, "x-bytes"), ["café \u{fffd}"], "bytes are not looked at");
    }
}

#[tokio::test]
async fn a_requests_connection_fields_end_at_the_edge() {
    for over in [Over::Http1, Over::Plain] {
        let (server, mut heard) = noting();
        let world = over.world(server).await;
        let mut raw = over.raw(&world).await;
        raw.send(format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: keep-alive, X-Named\r\n\
             Connection: x-also-named\r\nX-Named: 1\r\nX-Also-Named: 2\r\nKeep-Alive: timeout=9\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: gzip\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\nX-End-To-End: 3\r\n\r\n",
            world.host, world.token
        ))
        .await;
        raw.until("\r\n\r\nok").await;
        let head = within("the head", heard.recv()).await.unwrap();
        for name in [
            "x-named",
            "x-also-named",
            "keep-alive",
            "proxy-connection",
            "proxy-authorization",
            "te",
            "upgrade",
            "http2-settings",
            "connection",
            "authorization",
        ] {
            assert!(values(&head, name).is_empty(), "{over:?}: {name} in {head}");
        }
        assert_eq!(values(&head, "x-end-to-end"), ["3"]);
    }
}

#[tokio::test]
async fn an_answers_connection_fields_end_at_the_agent() {
    for over in EVERY_WAY {
        let server = answering(
            "HTTP/1.1 200 OK\r\nConnection: X-Named, keep-alive\r\nX-Named: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\nX-End-To-End: 3\r\nContent-Length: 2\r\n\r\nok",
        );
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let (parts, body) = caller.get("/").await;
            for name in ["connection", "x-named", "keep-alive", "proxy-connection", "proxy-authenticate"] {
                assert!(!parts.headers.contains_key(name), "{over:?}: {name}");
            }
            assert_eq!(parts.headers["x-end-to-end"], "3");
            assert_eq!(body, "ok");
        }
    }
}

#[tokio::test]
async fn what_a_caller_says_about_itself_never_reaches_the_server() {
    for over in EVERY_WAY {
        let (server, mut heard) = noting();
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        let spoofed = [
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-Server",
            "X_Forwarded_For",
            "X_Forwarded-Host",
            "X-Forwarded_Proto",
            "x_forwarded_port",
            "X-Forwarded",
            "Forwarded",
            "X-Real-IP",
            "X_Real_IP",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Original-Host",
            "Via",
            "Gantz-Token",
            "Gantz_Token",
        ];
        let mut request = caller.request(Method::GET, "/");
        for name in spoofed {
            request = request.header(name, "6.6.6.6");
        }
        whole(caller.send(request.body(nothing()).unwrap()).await.unwrap()).await;
        let head = within("the head", heard.recv()).await.unwrap();
        assert!(!head.contains("6.6.6.6"), "{over:?}: {head}");
        let scheme = if over == Over::Plain { "http" } else { "https" };
        let public = world.url.split_once("://").unwrap().1;
        assert_eq!(values(&head, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(values(&head, "x-forwarded-proto"), [scheme]);
        assert_eq!(values(&head, "x-forwarded-host"), [public], "{over:?}");
        assert_eq!(values(&head, "forwarded"), [format!("for=127.0.0.1;host=\"{public}\";proto={scheme}")]);
        assert_eq!(values(&head, "host"), [world.server.address().to_string()]);
    }
}

#[tokio::test]
async fn a_connection_field_cannot_take_the_relays_own_words_away() {
    for over in [Over::Http1, Over::Plain] {
        let (server, mut heard) = noting();
        let world = over.world(server).await;
        let mut raw = over.raw(&world).await;
        raw.send(format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Connection: X-Forwarded-For, Forwarded, Host, Authorization\r\n\r\n",
            world.host, world.token
        ))
        .await;
        raw.until("\r\n\r\nok").await;
        let head = within("the head", heard.recv()).await.unwrap();
        assert_eq!(values(&head, "x-forwarded-for"), ["127.0.0.1"], "{over:?}");
        assert_eq!(values(&head, "forwarded").len(), 1);
        assert_eq!(values(&head, "host"), [world.server.address().to_string()]);
    }
}
