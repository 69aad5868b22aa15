//! Byte-transparent streaming: the head first, then every piece as it comes, both ways, whatever the content type. The
//! next piece is only said when the one before has arrived, so a piece that is held back anywhere stops the test.

use bytes::Bytes;
use futures_util::StreamExt;
use gantz_tests::{relay, within};
use http::HeaderMap;

use super::scripted::{assert_end, chunked, scripted};

/// Pieces that a proxy could want to wait for more of: half a line, half an event, half a character.
const PIECES: [&[u8]; 6] = [b"{", b"data: half", b" an event\n", b"\n", b"\xe2\x82", b"\xac\r\n0\r\n\r\n"];

async fn next(body: &mut (impl futures_util::Stream<Item = reqwest::Result<Bytes>> + Unpin)) -> Bytes {
    within("a piece", body.next()).await.expect("the stream goes on").unwrap()
}

async fn every_piece_at_once(http1: bool, method: http::Method, content_type: Option<&str>) {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let client = if http1 { world.http1() } else { world.client() };
    let fields = content_type.map(|name| format!("content-type: {name}\r\n")).unwrap_or_default();
    let request = client.request(method.clone(), format!("{}/mcp", world.url)).bearer_auth(&world.token);
    let (sent, served) = tokio::join!(within("the head", request.send()), async {
        let (mut call, _) = calls.request().await;
        call.say(chunked(&fields)).await;
        call
    });
    let (answer, mut call) = (sent.unwrap(), served);
    // The head is here, and the server has not said a byte of the body.
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("content-type").map(|value| value.to_str().unwrap()), content_type);
    let mut body = answer.bytes_stream();
    for piece in PIECES {
        call.chunk(piece).await;
        assert_eq!(next(&mut body).await, piece, "{method} {content_type:?}");
    }
    call.end().await;
    assert_end(&mut body).await;
}

#[tokio::test]
async fn every_piece_of_an_answer_goes_out_as_it_comes() {
    for content_type in [Some("text/event-stream"), Some("application/json"), Some("image/png"), None] {
        for method in [http::Method::GET, http::Method::POST] {
            every_piece_at_once(true, method.clone(), content_type).await;
            every_piece_at_once(false, method, content_type).await;
        }
    }
}

#[tokio::test]
async fn every_piece_of_a_request_goes_in_as_it_comes() {
    for http1 in [true, false] {
        let (server, mut calls) = scripted();
        let world = relay().server(server).start().await;
        let client = if http1 { world.http1() } else { world.client() };
        let (pieces, body) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let body = futures_util::stream::unfold(body, |mut body| async {
            body.recv().await.map(|piece| (Ok::<_, std::io::Error>(piece), body))
        });
        let request =
            client.post(format!("{}/mcp", world.url)).bearer_auth(&world.token).body(reqwest::Body::wrap_stream(body));
        let sending = tokio::spawn(request.send());
        let (mut call, head) = calls.request().await;
        assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
        for piece in ["first", "second", "third"] {
            pieces.send(Bytes::from_static(piece.as_bytes())).unwrap();
            call.until(piece).await;
        }
        // The answer streams while the request still does.
        call.say(chunked("")).await;
        let answer = within("the head", sending).await.unwrap().unwrap();
        let mut back = answer.bytes_stream();
        for piece in ["fourth", "fifth"] {
            pieces.send(Bytes::from_static(piece.as_bytes())).unwrap();
            call.until(piece).await;
            call.chunk(piece).await;
            assert_eq!(next(&mut back).await, piece);
        }
        drop(pieces);
        call.until("0\r\n\r\n").await;
        call.end().await;
        assert_end(&mut back).await;
    }
}

#[tokio::test]
async fn nothing_is_compressed_on_the_way() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let text = "the same again and again ".repeat(4000);
    let request = world.get("/mcp").bearer_auth(&world.token).header("accept-encoding", "gzip, br, zstd");
    let serve = async {
        let (mut call, head) = calls.request().await;
        // What the caller can take is between it and the server.
        assert!(head.contains("accept-encoding: gzip, br, zstd"), "{head}");
        call.say(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        ))
        .await;
        call.say(&text).await;
    };
    let (answer, ()) = tokio::join!(request.send(), serve);
    let answer = answer.unwrap();
    let expected = HeaderMap::from_iter([
        ("content-type".parse().unwrap(), "application/json".parse().unwrap()),
        ("content-length".parse().unwrap(), text.len().into()),
    ]);
    let mut fields = answer.headers().clone();
    fields.remove("date");
    assert_eq!(fields, expected);
    assert_eq!(within("the body", answer.text()).await.unwrap(), text);
}
