//! Both directions at once: nothing waits for an end, and nothing waits for more than it has.

use bytes::Bytes;
use futures_util::{TryFutureExt, TryStreamExt};
use gantz_tests::Origin;
use http::Method;

use crate::caller::{EVERY_WAY, full, next, piece, spoken, whole};

/// Sends every piece of the body back as it comes.
fn mirror() -> Origin {
    Origin::axum(axum::Router::new().fallback(async |request: axum::extract::Request| request.into_body()))
}

#[tokio::test]
async fn each_piece_is_echoed_before_the_next_is_said() {
    for over in EVERY_WAY {
        let world = over.world(mirror()).await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        assert!(mouth.say("first").await);
        let request = caller.request(Method::POST, "/").body(body).unwrap();
        let answer = caller.send(request).await.unwrap();
        let mut echo = answer.into_body();
        assert_eq!(piece(&mut echo).await, "first", "{over:?}");
        for turn in 0..50 {
            let said = Bytes::from(format!("piece {turn}"));
            assert!(mouth.say(said.clone()).await);
            assert_eq!(piece(&mut echo).await, said, "{over:?}");
        }
        drop(mouth);
        assert!(next(&mut echo).await.is_none(), "{over:?}");
        // The connection is as good as new.
        let request = caller.request(Method::POST, "/").body(full("again")).unwrap();
        assert_eq!(whole(caller.send(request).await.unwrap()).await.1, "again");
    }
}

#[tokio::test]
async fn the_answers_head_comes_before_the_first_byte_of_the_body_is_said() {
    for over in EVERY_WAY {
        let world = over.world(mirror()).await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        let request = caller.request(Method::POST, "/").body(body).unwrap();
        let answer = caller.send(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut echo = answer.into_body();
        assert!(mouth.say("at last").await);
        assert_eq!(piece(&mut echo).await, "at last", "{over:?}");
        drop(mouth);
        assert!(next(&mut echo).await.is_none(), "{over:?}");
    }
}

#[tokio::test]
async fn a_declared_length_streams_as_well() {
    for over in EVERY_WAY {
        let world = over.world(mirror()).await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        let request = caller.request(Method::POST, "/").header("content-length", "6").body(body).unwrap();
        let answer = caller.send(request).await.unwrap();
        let mut echo = answer.into_body();
        for said in ["on", "tw", "th"] {
            assert!(mouth.say(said).await);
            assert_eq!(piece(&mut echo).await, said, "{over:?}");
        }
        drop(mouth);
        assert!(next(&mut echo).await.is_none(), "{over:?}");
        assert_eq!(world.server.last().fields["content-length"], "6");
    }
}

#[tokio::test]
async fn the_rest_of_an_answer_comes_after_the_upload_has_ended() {
    for over in EVERY_WAY {
        // Says its head, takes the whole body, and only then says how long it was.
        let server = Origin::axum(axum::Router::new().fallback(async |request: axum::extract::Request| {
            let body = request.into_body().into_data_stream();
            let length = body.try_fold(0, async |length, piece| Ok(length + piece.len()));
            axum::body::Body::from_stream(futures_util::stream::once(length.map_ok(|length| length.to_string())))
        }));
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        let request = caller.request(Method::POST, "/").body(body).unwrap();
        let answer = caller.send(request).await.unwrap();
        for _ in 0..64 {
            assert!(mouth.say(vec![b'x'; 64 << 10]).await, "{over:?}");
        }
        drop(mouth);
        assert_eq!(whole(answer).await.1, (64 * (64 << 10)).to_string(), "{over:?}");
    }
}
