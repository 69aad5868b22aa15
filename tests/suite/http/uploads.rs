//! Uploads that do not go to their end: the local server never takes a part for the whole, and an answer that comes
//! before the end is whole itself.

use gantz_tests::within;
use http::Method;
use tokio::sync::mpsc;

use crate::caller::{EVERY_WAY, Over, full, spoken, whole};
use crate::script::scripted;

/// What the server saw of a request whose caller broke off.
async fn upload_that_ends(over: Over, length: Option<usize>, hang_up: bool) -> String {
    let (told, mut heard) = mpsc::unbounded_channel();
    let (began, mut begun) = mpsc::unbounded_channel();
    let world = over
        .world(scripted(move |mut line| {
            let (told, began) = (told.clone(), began.clone());
            async move {
                line.head().await.unwrap();
                let first = line.until("part").await.unwrap();
                began.send(()).unwrap();
                told.send((first, line.rest().await)).unwrap();
            }
        }))
        .await;
    let mut caller = over.caller(&world).await;
    let (mouth, body) = spoken();
    let mut request = caller.request(Method::POST, "/");
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    let request = request.body(body).unwrap();
    assert!(mouth.say("part").await);
    if hang_up {
        {
            let mut call = std::pin::pin!(caller.send(request));
            tokio::select! {
                answer = &mut call => panic!("{answer:?} before the body's end"),
                begun = begun.recv() => begun.unwrap(),
            }
        }
        caller.hang_up();
    } else {
        let breaking = async {
            begun.recv().await.unwrap();
            mouth.break_off().await;
        };
        let (answer, ()) = tokio::join!(caller.send(request), breaking);
        assert!(answer.is_err(), "{over:?}");
    }
    let (first, rest) = within("the request's end", heard.recv()).await.unwrap();
    first + &String::from_utf8_lossy(&rest)
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_whole_at_the_server() {
    for over in EVERY_WAY {
        for hang_up in [false, true] {
            let seen = upload_that_ends(over, None, hang_up).await;
            assert!(!seen.contains("0\r\n\r\n"), "{over:?} {hang_up}: {seen:?} looks whole");
            let seen = upload_that_ends(over, Some(100), hang_up).await;
            assert_eq!(seen, "part", "{over:?} {hang_up}");
        }
    }
}

/// HTTP/2 carries bodies that are longer or shorter than they say; HTTP/1.1 must not be made of them.
#[tokio::test]
async fn an_http2_body_that_is_not_as_long_as_declared_is_refused() {
    for (declared, said) in [(4u16, "longer"), (100, "shorter")] {
        let (told, mut heard) = mpsc::unbounded_channel();
        let world = Over::Http2
            .world(scripted(move |mut line| {
                let told = told.clone();
                async move {
                    line.head().await.unwrap();
                    told.send(line.rest().await).unwrap();
                }
            }))
            .await;
        let caller = Over::Http2.caller(&world).await;
        let request = caller.request(Method::POST, "/").header("content-length", declared).body(()).unwrap();
        drop(caller);
        // hyper's client would not send such a body.
        let mut client = crate::interim::layer_below(&world).await;
        let (answer, mut stream) = client.sender.send_request(request, false).unwrap();
        stream.send_data(said.into(), true).unwrap();
        match within("an end", answer).await {
            Ok(answer) => assert_eq!(answer.status(), 400, "{said}"),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
        // Whether the server ever heard of it depends on when the edge saw what is wrong.
        if let Ok(seen) = heard.try_recv() {
            assert!(seen.len() < usize::from(declared), "{seen:?} looks whole");
        }
    }
}

/// A server that answers early and takes no more leaves both connections in order.
#[tokio::test]
async fn an_answer_before_the_bodys_end_arrives_whole() {
    for over in EVERY_WAY {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                let body = "n".repeat(1 << 20);
                line.say(format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
                line.rest().await;
            }))
            .await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        assert!(mouth.say("part").await);
        let request = caller.request(Method::POST, "/").body(body).unwrap();
        let (parts, body) = whole(caller.send(request).await.unwrap()).await;
        assert_eq!((parts.status.as_u16(), body.len()), (403, 1 << 20), "{over:?}");
        drop(mouth);
        let mut caller = over.caller(&world).await;
        let request = caller.request(Method::POST, "/").body(full("all")).unwrap();
        assert_eq!(whole(caller.send(request).await.unwrap()).await.0.status, 403, "{over:?}");
    }
}
