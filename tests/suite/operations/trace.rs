//! A caller's trace goes on to the local server as it is (W3C Trace Context).

use gantz_tests::{echo, relay, within};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const STATE: &str = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";

#[tokio::test]
async fn traceparent_and_tracestate_are_passed_on() {
    let world = relay().server(echo()).start().await;
    for (client, version) in [(world.http1(), http::Version::HTTP_11), (world.client(), http::Version::HTTP_2)] {
        let call = client.get(&world.url).bearer_auth(&world.token);
        let answer = call.header("traceparent", PARENT).header("tracestate", STATE).send();
        let answer = within("an answer", answer).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        let fields = world.server.last().fields;
        assert_eq!(fields["traceparent"], PARENT, "{version:?}");
        assert_eq!(fields["tracestate"], STATE, "{version:?}");
        assert_eq!(fields.get_all("traceparent").iter().count(), 1);

        // Who has none gets none made up.
        within("an answer", client.get(&world.url).bearer_auth(&world.token).send()).await.unwrap();
        assert!(!world.server.last().fields.contains_key("traceparent"));
    }
}
