//! Paths and queries cross byte for byte: a proxy that tidies them up changes what is asked for.

use gantz_tests::Origin;
use tokio::sync::mpsc;

use crate::caller::{EVERY_WAY, Over};
use crate::script::scripted;

/// A server that hands on each request line.
fn noting() -> (Origin, mpsc::UnboundedReceiver<String>) {
    let (told, heard) = mpsc::unbounded_channel();
    let server = scripted(move |mut line| {
        let told = told.clone();
        async move {
            while let Some(head) = line.head().await {
                told.send(head.lines().next().unwrap().to_owned()).unwrap();
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    });
    (server, heard)
}

const PATHS: &[&str] = &[
    "/",
    "/mcp",
    "/mcp/",
    "//mcp",
    "/a//b///",
    "/./a/../b/.",
    "/%2e%2e/%2F",
    "/%2f%2F%00%20",
    "/%ff%fe%80",
    "/caf%C3%A9",
    "/a;v=1/b;c",
    "/a?",
    "/?",
    "/a??b?",
    "/a?x=1&x=2&&=",
    "/a?x=%26+%2B",
    "/a?u=http://h/p?q",
    "/a:b@c!$&'()*+,=~_-",
    "/a|b^c-d{e}\"f",
    "/a?q={k:[1]}'|^`",
    "/%",
    "/%zz?%",
];

#[tokio::test]
async fn every_path_arrives_as_it_was_sent() {
    for over in EVERY_WAY {
        let (server, mut heard) = noting();
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        for path in PATHS {
            assert_eq!(caller.get(path).await.1, "ok", "{over:?} {path}");
            assert_eq!(heard.recv().await.unwrap(), format!("GET {path} HTTP/1.1"), "{over:?}");
        }
        let long = format!("/{}?{}", "p".repeat(8000), "q".repeat(8000));
        assert_eq!(caller.get(&long).await.1, "ok");
        assert_eq!(heard.recv().await.unwrap(), format!("GET {long} HTTP/1.1"), "{over:?}");
    }
}

#[tokio::test]
async fn the_other_forms_of_a_target_arrive_too() {
    for over in [Over::Http1, Over::Plain] {
        let (server, mut heard) = noting();
        let world = over.world(server).await;
        let mut raw = over.raw(&world).await;
        let (host, url) = (&world.host, &world.url);
        for (line, expected) in [
            (format!("GET {url}/a?b HTTP/1.1"), "GET /a?b HTTP/1.1"),
            (format!("GET {url} HTTP/1.1"), "GET / HTTP/1.1"),
            ("OPTIONS * HTTP/1.1".to_owned(), "OPTIONS * HTTP/1.1"),
            ("PURGE /x HTTP/1.1".to_owned(), "PURGE /x HTTP/1.1"),
        ] {
            let authority = if line.contains("://") { url.split_once("://").unwrap().1 } else { host };
            raw.send(format!("{line}\r\nHost: {authority}\r\nAuthorization: Bearer {}\r\n\r\n", world.token)).await;
            let answer = raw.until("\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{over:?} {line}: {answer}");
            raw.until("ok").await;
            assert_eq!(heard.recv().await.unwrap(), expected, "{over:?}");
        }
    }
}
