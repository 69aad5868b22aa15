//! One canonical name from SNI, `:authority` and `Host`, over HTTP/2.

use std::sync::Arc;

use gantz_relay::Relay;
use gantz_tests::{DOMAIN, client, echo, relay, within};
use h2::client::SendRequest;
use http::{Request, Version};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// An HTTP/2 connection that was opened for `sni`.
async fn connect(relay: &Relay, sni: &str) -> (SendRequest<bytes::Bytes>, AbortOnDropHandle<()>) {
    let tcp = TcpStream::connect(relay.edge_addr()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(client::tls(relay, &[b"h2"])));
    let stream = tls.connect(ServerName::try_from(sni.to_owned()).unwrap(), tcp).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(async move {
        // The test sees in its own requests how the connection ends.
        let _ = connection.await;
    });
    (send, AbortOnDropHandle::new(driver))
}

async fn ask(relay: &Relay, sni: &str, request: Request<()>) -> String {
    let (send, _driver) = connect(relay, sni).await;
    let mut send = within("room for a stream", send.ready()).await.unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    let answer = within("an answer", answer).await.unwrap();
    let status = answer.status().as_u16().to_string();
    answer.headers().get("gantz-error").map_or(status.clone(), |code| format!("{status} {}", code.to_str().unwrap()))
}

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri).version(Version::HTTP_2)
}

#[tokio::test]
async fn the_names_of_a_request_have_to_agree() {
    let world = relay().open().server(echo()).start().await;
    let (host, upper) = (world.host.clone(), world.host.to_ascii_uppercase());
    let other = format!("other.{DOMAIN}");
    let lost = "421 misdirected_request";
    for (sni, uri, host_field, expected) in [
        (&host, format!("https://{host}/"), None, "200"),
        (&host, format!("https://{upper}.:8443/"), None, "200"),
        (&host, format!("https://{host}/"), Some(upper.clone()), "200"),
        (&host, format!("https://{host}/"), Some(other.clone()), lost),
        (&host, format!("https://{host}:1/"), Some(format!("{host}:2")), lost),
        (&host, format!("https://{other}/"), None, lost),
        (&host, format!("https://{other}/"), Some(host.clone()), lost),
        (&host, "https://evil.example/".into(), None, lost),
        (&other, format!("https://{other}/"), None, "404 tunnel_not_found"),
        (&other, format!("https://{host}/"), None, lost),
        (&host, format!("https://user@{host}/"), None, "400 bad_request"),
        (&host, format!("ftp://{host}/"), None, "400 bad_request"),
        (&host, format!("wss://{host}/"), None, "400 bad_request"),
    ] {
        let mut request = get(&uri);
        if let Some(host) = &host_field {
            request = request.header("host", host);
        }
        let verdict = ask(&world.relay, sni, request.body(()).unwrap()).await;
        assert_eq!(verdict, expected, "SNI {sni}, :authority of {uri}, Host {host_field:?}");
    }
    assert_eq!(world.server.requests().len(), 3);
}

#[tokio::test]
async fn connect_is_refused() {
    let world = relay().open().server(echo()).start().await;
    let request = Request::connect(format!("{}:443", world.host)).version(Version::HTTP_2).body(()).unwrap();
    assert_eq!(ask(&world.relay, &world.host, request).await, "405 connect_refused");
    assert!(world.server.requests().is_empty());
}
