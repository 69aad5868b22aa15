//! A gibibyte up, one down, and one up and down at once in one call, through the real binaries. Neither may keep it: the
//! memory of both stays within what their windows allow, and every byte arrives.

use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use gantz_tests::{DOMAIN, Origin, binaries, within};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const LENGTH: usize = 1 << 30;
const PIECE: usize = 64 << 10;

/// What relay or agent may take on top of what it had before: a window of 16 MiB on the tunnel each way, those of HTTP,
/// and what the allocator keeps. A body that is kept would be sixteen times as much.
const GROWTH: u64 = 64 << 20;

/// Bytes that never repeat, from a counter (SplitMix64).
fn pieces() -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::iter((0..LENGTH / PIECE).map(|piece| {
        let mut bytes = BytesMut::with_capacity(PIECE);
        for word in 0..PIECE / 8 {
            let mut z = ((piece * PIECE / 8 + word) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
        }
        Ok(bytes.freeze())
    }))
}

/// Length and digest of what comes.
async fn sum<E: std::fmt::Debug>(stream: impl Stream<Item = Result<Bytes, E>>) -> String {
    let mut stream = pin!(stream);
    let (mut length, mut digest) = (0, Context::new(&SHA256));
    while let Some(piece) = within("the next piece", stream.next()).await {
        let piece = piece.unwrap();
        length += piece.len();
        digest.update(&piece);
    }
    format!("{length} {:?}", digest.finish())
}

fn server() -> Origin {
    Origin::axum(
        Router::new()
            .route("/up", post(async |body: Body| sum(body.into_data_stream()).await))
            .route("/down", get(async || Body::from_stream(pieces())))
            .route("/both", post(async |body: Body| body))
            // Where the agent looks for MCP before it says that it is ready.
            .fallback(async || http::StatusCode::NOT_FOUND),
    )
}

/// A program of ours, with nothing of the surroundings in its configuration.
fn program(path: impl AsRef<Path>, home: &Path) -> Command {
    let mut command = Command::new(path.as_ref());
    command.current_dir(home).env_clear().env("HOME", home).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// The first JSON line that `wanted` takes.
async fn line<T>(lines: impl AsyncBufRead + Unpin, wanted: impl Fn(&Value) -> Option<T>) -> T {
    let mut lines = lines.lines();
    within("a line", async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the program goes on");
            if let Some(found) = serde_json::from_str(&line).ok().and_then(|line| wanted(&line)) {
                return found;
            }
        }
    })
    .await
}

/// A field of `/proc/PID/status`, bytes.
fn memory(child: &Child, field: &str) -> u64 {
    let path = format!("/proc/{}/status", child.id().expect("it runs"));
    let status = std::fs::read_to_string(&path).expect("this test needs Linux's /proc");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the field is there");
    line.trim().strip_suffix(" kB").expect("in kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn a_gibibyte_passes_both_ways_and_nobody_keeps_it() {
    let home = tempfile::tempdir().unwrap();
    let server = server();
    let mut relay = program(binaries::gantz_relay(), home.path())
        .args(["serve", "--domain", DOMAIN, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(["--tls", "self-signed", "--access", "open", "--max-body", "0", "--log-format", "json"])
        .arg("--state-dir")
        .arg(home.path().join("relay"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(relay.stderr.take().unwrap());
    let edge: std::net::SocketAddr = line(&mut log, |line| line["fields"]["public"].as_str()?.parse().ok()).await;
    let ca = home.path().join("relay/ca.pem");
    let mut agent = program(binaries::gantz(), home.path())
        .args(["run", "--auth", "--json", "--relay", &edge.to_string()])
        .arg(format!("--relay-ca={}", ca.display()))
        .arg(server.address().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut events = BufReader::new(agent.stdout.take().unwrap());
    let (url, token) =
        line(&mut events, |line| Some((line["url"].as_str()?.to_owned(), line["token"].as_str()?.to_owned()))).await;
    let url: reqwest::Url = url.parse().unwrap();

    let expected = sum(pieces()).await;
    for alpn in [&b"http/1.1"[..], b"h2"] {
        let client = client(&ca, alpn, url.host_str().unwrap(), edge);
        let before = [memory(&relay, "VmRSS"), memory(&agent, "VmRSS")];
        let body = reqwest::Body::wrap_stream(pieces());
        let sent = client.post(url.join("/up").unwrap()).bearer_auth(&token).body(body).send().await.unwrap();
        assert_eq!(sent.status(), 200);
        assert_eq!(sent.text().await.unwrap(), expected, "up");
        let got = client.get(url.join("/down").unwrap()).bearer_auth(&token).send().await.unwrap();
        assert_eq!(got.status(), 200);
        assert_eq!(sum(got.bytes_stream()).await, expected, "down");
        let body = reqwest::Body::wrap_stream(pieces());
        let both = client.post(url.join("/both").unwrap()).bearer_auth(&token).body(body).send().await.unwrap();
        assert_eq!(both.status(), 200);
        assert_eq!(sum(both.bytes_stream()).await, expected, "both");
        for (name, process, before) in [("relay", &relay, before[0]), ("agent", &agent, before[1])] {
            let [after, peak] = ["VmRSS", "VmHWM"].map(|field| memory(process, field));
            let figures = format!("{name}: {} MiB before, {} after, {} at most", before >> 20, after >> 20, peak >> 20);
            assert!(peak < before + GROWTH, "{figures}");
        }
    }
    relay.kill().await.unwrap();
    agent.kill().await.unwrap();
}

fn client(ca: &Path, alpn: &[u8], host: &str, edge: std::net::SocketAddr) -> reqwest::Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).resolve(host, edge).no_proxy();
    let builder = if alpn == b"h2" { builder } else { builder.http1_only() };
    builder.build().unwrap()
}
