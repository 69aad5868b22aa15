//! Requests as spans over OTLP: the real relay, and a receiver that decodes what comes by OpenTelemetry's own schema.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use gantz_agent::{Agent, RelayAddress, Trust};
use gantz_tests::world::policy;
use gantz_tests::{DOMAIN, Origin, PATIENCE, binaries, canary, echo, within};
use http::{HeaderMap, Method};
use reqwest::RequestBuilder;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::python::{python, source};
use crate::scrape::client;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const STATE: &str = "congo=t61rcWkgMzE";

/// How long a relay with nothing open takes to end, with the bound of its last spans (2 s) in it.
const PROMPT: Duration = Duration::from_secs(10);

/// The caller's `traceparent`.
fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// A collector of its own for a test.
struct Receiver {
    endpoint: String,
    spans: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Receiver {
    async fn start() -> Self {
        let mut command = Command::new(python().await);
        command.arg(source("otlp_receiver.py")).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut spans = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = within("its port", spans.next_line()).await.unwrap().unwrap();
        Self { endpoint: format!("http://127.0.0.1:{port}"), spans, child }
    }

    /// All that has come, in the order of their ends.
    async fn end(mut self) -> Vec<Value> {
        self.child.start_kill().unwrap();
        let mut spans = Vec::new();
        while let Some(line) = within("the rest", self.spans.next_line()).await.unwrap() {
            spans.push(serde_json::from_str(&line).unwrap());
        }
        spans
    }
}

/// The real relay, with a tunnel.
struct Relay {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    edge: SocketAddr,
    host: String,
    server: Origin,
    _agent: Agent,
    _folder: TempDir,
}

impl Relay {
    async fn start(flags: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(binaries::gantz_relay())
            .args(["serve", "--tls=off", "--access=open", "--log-format=json", "--state-dir=state"])
            .args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .arg(format!("--domain={DOMAIN}"))
            .args(flags)
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let serves = async {
            loop {
                let line = log.next_line().await.unwrap().expect("it serves");
                let said: Value = serde_json::from_str(&line).unwrap();
                if said["fields"]["message"] == "relay serves" {
                    return said["fields"].clone();
                }
            }
        };
        let said = within("it serves", serves).await;
        let address = |name: &str| said[name].as_str().unwrap().parse::<SocketAddr>().unwrap();
        let server = echo();
        let agent = agent(address("agents"), &folder.path().join("state/ca.pem"), &server).await;
        let host = format!("{}.{DOMAIN}", agent.welcome().name);
        Self { child, log, edge: address("public"), host, server, _agent: agent, _folder: folder }
    }

    /// A call with the tunnel's token.
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask(&self.host, method, path).bearer_auth(canary::TOKEN)
    }

    fn ask(&self, host: &str, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("http://{}{path}", self.edge)).header("host", host)
    }

    /// What the local server got last.
    fn passed(&self) -> HeaderMap {
        self.server.last().fields
    }

    /// Ends it as a service manager does; what it has said, how it has ended, and how long that took.
    async fn end(mut self) -> (Vec<String>, ExitStatus, Duration) {
        let (asked, id) = (Instant::now(), self.child.id().unwrap().to_string());
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let mut said = Vec::new();
        while let Some(line) = within("its log", self.log.next_line()).await.unwrap() {
            said.push(line);
        }
        let status = within("its end", self.child.wait()).await.unwrap();
        (said, status, asked.elapsed())
    }
}

async fn agent(relay: SocketAddr, ca: &Path, server: &Origin) -> Agent {
    let trust = Trust::Only(vec![CertificateDer::from_pem_file(ca).unwrap()]);
    let address = RelayAddress { host: "127.0.0.1".into(), port: relay.port() };
    let target = format!("http://{}", server.address()).parse().unwrap();
    let mut config = gantz_agent::Config::new(address, trust, target);
    config.policy = policy(&canary::token());
    Agent::start(config, Arc::new(|_| {})).await.expect("the agent starts")
}

async fn status(call: RequestBuilder) -> u16 {
    within("an answer", call.send()).await.unwrap().status().as_u16()
}

/// The ids of a `traceparent`, and its flags.
fn ids(fields: &HeaderMap) -> [String; 3] {
    let all: Vec<_> = fields.get_all("traceparent").iter().collect();
    assert_eq!(all.len(), 1, "{all:?}");
    let parts: Vec<_> = all[0].to_str().unwrap().split('-').map(str::to_owned).collect();
    let [version, trace, span, flags] = parts.try_into().unwrap();
    assert_eq!(version, "00");
    [trace, span, flags]
}

/// Flags of a relay that exports there.
fn exporting(endpoint: &str, sample: &str) -> Vec<String> {
    vec![format!("--otlp-endpoint={endpoint}"), format!("--otlp-sample={sample}")]
}

#[tokio::test]
async fn a_sampled_request_is_a_span_between_the_callers_and_the_servers() {
    let receiver = Receiver::start().await;
    let mut relay = Relay::start(&exporting(&receiver.endpoint, "0")).await;
    let sampled = |call: RequestBuilder| call.header("traceparent", parent("01"));
    let call = sampled(relay.call(Method::POST, "/private/path?query=question"));
    let call = call.header("tracestate", STATE).header("mcp-session-id", "session-of-mine").body("{\"argument\":1}");
    assert_eq!(status(call).await, 200);
    let [trace, passed, flags] = ids(&relay.passed());
    assert_eq!((&*trace, &*flags), (TRACE, "01"), "the caller's trace");
    assert_ne!(passed, CALLER, "and this span's own id");
    assert_eq!(relay.passed()["tracestate"], STATE);

    // What is not sampled is not exported, and goes on as it is.
    let call = relay.call(Method::GET, "/").header("traceparent", parent("00")).header("tracestate", STATE);
    assert_eq!(status(call).await, 200);
    assert_eq!(relay.passed()["traceparent"], parent("00"));
    assert_eq!(relay.passed()["tracestate"], STATE);
    assert_eq!(status(relay.call(Method::GET, "/")).await, 200);
    assert!(!relay.passed().contains_key("traceparent"));

    // What the relay answers itself.
    assert_eq!(status(sampled(relay.ask(&relay.host, Method::GET, "/private"))).await, 401);
    assert_eq!(status(sampled(relay.ask("nobody.relay.test", Method::GET, "/private"))).await, 404);
    assert_eq!(status(sampled(relay.ask(DOMAIN, Method::GET, "/healthz"))).await, 200);
    assert_eq!(status(sampled(relay.ask("elsewhere.test", Method::GET, "/private"))).await, 421);
    let odd = Method::from_bytes(b"PRIVATE").unwrap();
    assert_eq!(status(sampled(relay.call(odd, "/"))).await, 200);
    relay.server.kill().await;
    assert_eq!(status(sampled(relay.call(Method::GET, "/private"))).await, 503);

    let host = relay.host.clone();
    let (said, ended, _) = relay.end().await;
    assert!(ended.success(), "{said:#?}");
    assert!(!said.iter().any(|line| line.contains("WARN") && !line.contains("--access open")), "{said:#?}");
    let spans = receiver.end().await;
    let told: Vec<Value> = spans.iter().map(|span| json!([span["name"], span["status"], span["attributes"]])).collect();
    let attributes = |method: &str, status: u16, address: &str| json!({ "http.request.method": method, "http.response.status_code": status, "server.address": address });
    let mut unavailable = attributes("GET", 503, &host);
    unavailable["error.type"] = "upstream_unavailable".into();
    let mut nowhere = attributes("GET", 421, "");
    nowhere.as_object_mut().unwrap().remove("server.address");
    let unset = "STATUS_CODE_UNSET";
    let expected = [
        json!(["POST tunnel", unset, attributes("POST", 200, &host)]),
        json!(["GET tunnel", unset, attributes("GET", 401, &host)]),
        json!(["GET tunnel", unset, attributes("GET", 404, "nobody.relay.test")]),
        json!(["GET apex", unset, attributes("GET", 200, DOMAIN)]),
        json!(["GET", unset, nowhere]),
        json!(["HTTP tunnel", unset, attributes("_OTHER", 200, &host)]),
        json!(["GET tunnel", "STATUS_CODE_ERROR", unavailable]),
    ];
    assert_eq!(told, expected);
    assert_eq!(spans[0]["span_id"], passed, "the local server's spans hang below");
    for span in &spans {
        assert_eq!((&span["trace_id"], &span["parent"]), (&TRACE.into(), &CALLER.into()));
        assert_eq!(span["kind"], "SPAN_KIND_SERVER");
        assert_eq!(span["resource"]["service.name"], "gantz-relay");
        assert_eq!(span["resource"]["service.version"], env!("CARGO_PKG_VERSION"));
        assert!(span["took"].as_u64().unwrap() < u64::try_from(PATIENCE.as_nanos()).unwrap(), "{span}");
        let whole = span["whole"].as_str().unwrap();
        assert_eq!(canary::find(whole.as_bytes()), None);
        for secret in
            ["private", "PRIVATE", "question", "session-of-mine", "argument", "congo", "127.0.0.1", "elsewhere"]
        {
            let whole = whole.replace("host: 127.0.0.1", "");
            assert!(!whole.contains(secret), "{secret}: {whole}");
        }
    }
}

#[tokio::test]
async fn of_the_requests_without_a_traceparent_a_share_begins_a_trace() {
    let receiver = Receiver::start().await;
    let relay = Relay::start(&exporting(&receiver.endpoint, "1")).await;
    let mut begun = Vec::new();
    let broken = format!("00-{TRACE}-{}-01", "0".repeat(16));
    for traceparent in [None, Some("nonsense"), Some(&*broken)] {
        let call = relay.call(Method::GET, "/").header("tracestate", STATE);
        let call = traceparent.into_iter().fold(call, |call, text| call.header("traceparent", text));
        assert_eq!(status(call).await, 200);
        let [trace, span, flags] = ids(&relay.passed());
        assert_ne!(trace, TRACE);
        assert_eq!(flags, "01");
        assert!(!relay.passed().contains_key("tracestate"), "the state of no trace");
        begun.push((trace, span));
    }
    assert_eq!(status(relay.call(Method::GET, "/").header("traceparent", parent("00"))).await, 200);
    assert!(relay.end().await.1.success());
    let spans = receiver.end().await;
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            assert_eq!(span["parent"], "", "{span}");
            let text = |key: &str| span[key].as_str().unwrap().to_owned();
            (text("trace_id"), text("span_id"))
        })
        .collect();
    assert_eq!(told, begun);
}

/// More requests than spans may wait.
async fn many(relay: &Relay) {
    let calls = stream::iter(0..3_000).map(|_| status(relay.call(Method::GET, "/")));
    let answers = calls.buffer_unordered(32).collect::<Vec<_>>().await;
    assert!(answers.iter().all(|status| *status == 200));
}

/// What was said of lost spans, with how many; and that it was said as seldom as it should.
fn lost(said: &[String]) -> u64 {
    let lines: Vec<Value> = said.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let complaints: Vec<_> =
        lines.iter().filter(|line| line["fields"]["message"].as_str().unwrap().contains("spans are lost")).collect();
    // At once, and at the end.
    assert!((1..=2).contains(&complaints.len()), "{said:#?}");
    complaints.iter().map(|line| line["fields"]["spans"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let relay = Relay::start(&exporting("http://127.0.0.1:9", "1")).await;
    many(&relay).await;
    let (said, ended, took) = relay.end().await;
    assert!(ended.success() && took < PROMPT, "{took:?} {said:#?}");
    assert!(lost(&said) > 0);
    assert!(said.iter().any(|line| line.contains("spans are lost") && line.contains("refused")), "{said:#?}");
}

#[tokio::test]
async fn a_collector_that_does_not_answer_costs_spans_and_nothing_else() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = silent.accept().await {
            let _ = stream.read_u8().await;
            held.push(stream);
        }
    });
    let relay = Relay::start(&exporting(&endpoint, "1")).await;
    many(&relay).await;
    let (said, ended, took) = relay.end().await;
    assert!(ended.success() && took < PROMPT, "{took:?} {said:#?}");
    assert!(lost(&said) > 0);
    holding.abort();
}

#[tokio::test]
async fn what_is_no_collector_is_refused_and_not_repeated() {
    for (flag, words) in [
        ("--otlp-endpoint=http://user:hunter2@collector.test", "address of a collector"),
        ("--otlp-endpoint=grpc://collector.test:4317", "address of a collector"),
        ("--otlp-endpoint=http://collector.test/?key=hunter2", "address of a collector"),
        ("--otlp-sample=1.5", "share"),
    ] {
        let mut relay = Command::new(binaries::gantz_relay());
        relay.args(["serve", "--domain=relay.test", flag]).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        let ended = within("its end", relay.output()).await.unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
    }
}
