//! The dashboard, and what Prometheus is told, with a real Prometheus that scrapes a real relay.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gantz_tests::{binaries, within};
use reqwest::Url;
use serde_json::Value;

use crate::packages;
use crate::relay::plain_http;
use crate::{Folder, Relay};

const DASHBOARD: &str = "relay/deploy/grafana/dashboards/gantz.json";
const PROMETHEUS: &str = "relay/deploy/prometheus/prometheus.yml";

/// Where it runs, in whose data.
struct Prometheus {
    address: String,
    client: reqwest::Client,
    process: tokio::process::Child,
    _data: Folder,
}

impl Prometheus {
    /// With what compose mounts, but for where the relay is and how often it is asked.
    async fn start(relay: &Relay) -> Self {
        packages::install("prometheus", "prometheus").await;
        let config = std::fs::read_to_string(binaries::root().join(PROMETHEUS)).unwrap();
        let admin = relay.admin("");
        let here = config.replace("relay:9090", admin.strip_prefix("http://").unwrap());
        assert_ne!(here, config);
        let data = Folder::new();
        data.write("prometheus.yml", &here.replace("scrape_interval: 15s", "scrape_interval: 200ms"));
        let address = format!("127.0.0.1:{}", gantz_tests::lasting_port());
        let mut prometheus = tokio::process::Command::new("prometheus");
        prometheus
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .current_dir(data.path())
            .stdin(std::process::Stdio::null())
            .stderr(std::fs::File::create(data.path().join("log")).unwrap())
            .kill_on_drop(true);
        let process = prometheus.spawn().unwrap();
        Self { address, client: plain_http().build().unwrap(), process, _data: data }
    }

    /// The result of one expression; `Err` is why it is none.
    async fn asks(&self, expression: &str) -> Result<Vec<Value>, String> {
        let query = [("query", expression)];
        let url = Url::parse_with_params(&format!("http://{}/api/v1/query", self.address), query).unwrap();
        let answer = self.client.get(url).send().await.map_err(|error| error.to_string())?;
        let said: Value = answer.json().await.map_err(|error| error.to_string())?;
        said["data"]["result"].as_array().cloned().ok_or_else(|| said.to_string())
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(binaries::root().join(DASHBOARD)).unwrap()).unwrap()
}

/// Every expression, as Grafana would send it.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter();
    let expression = |target: &Value| {
        let expression = target["expr"].as_str().unwrap();
        expression.replace("$__rate_interval", "1m").replace("$__interval", "1m")
    };
    panels.chain(annotations).map(expression).collect()
}

/// The metrics that an expression names.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("gantz_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_expression_is_one_and_names_what_the_relay_tells() {
    let relay = Relay::start().await;
    let key = relay.key("--label alice").await;
    let run = relay.open(&key, "").await;
    // Something of every kind: an answer of the server's, of gantz's own, and a token that is wrong.
    for _ in 0..3 {
        run.get("/mcp").send().await.unwrap();
        run.get("/mcp").bearer_auth("gtz_wrong").send().await.unwrap();
    }
    let mut prometheus = Prometheus::start(&relay).await;
    within("two scrapes", async {
        loop {
            let scraped = prometheus.asks(r#"count_over_time(up{job="gantz-relay"}[1m]) >= 2 and up == 1"#).await;
            if scraped.is_ok_and(|scraped| !scraped.is_empty()) {
                return;
            }
            assert!(prometheus.process.try_wait().unwrap().is_none(), "Prometheus has ended");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let dashboard = dashboard();
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 25, "{expressions:#?}");
    // Not with `--tls off`, and with `--tls acme` alone.
    let elsewhere = ["gantz_certificate_expiry_timestamp_seconds", "gantz_certificate_renewal_failures_total"];
    for expression in &expressions {
        prometheus.asks(expression).await.unwrap_or_else(|why| panic!("{expression}: {why}"));
        let metrics = metrics(expression);
        assert!(!metrics.is_empty(), "{expression}");
        for metric in metrics.iter().filter(|metric| !elsewhere.contains(&metric.as_str())) {
            let series = prometheus.asks(metric).await.unwrap();
            assert!(!series.is_empty(), "{expression}: the relay tells no {metric}");
            // A label that is gone makes one line of what were several.
            for label in grouped(expression) {
                let known = metrics.iter().any(|metric| metric.ends_with("_bucket"));
                let has = series.iter().any(|series| !series["metric"][&label].is_null());
                assert!(known || has, "{expression}: {metric} has no label {label}: {series:?}");
            }
        }
    }
    let known: BTreeSet<_> = expressions.iter().flat_map(|expression| metrics(expression)).collect();
    for metric in elsewhere {
        assert!(known.contains(metric), "{metric}");
    }
    run.leave().await;
}

/// The labels that an expression keeps apart.
fn grouped(expression: &str) -> Vec<String> {
    let groups = expression.split(" by (").skip(1).map(|rest| rest.split(')').next().unwrap());
    groups.flat_map(|group| group.split(", ").map(str::to_owned)).collect()
}

#[tokio::test]
async fn what_is_provisioned_fits_together() {
    packages::install("promtool", "prometheus").await;
    let config = binaries::root().join(PROMETHEUS);
    let checked = Command::new("promtool").args(["check", "config"]).arg(&config).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let read = |path: &str| std::fs::read_to_string(binaries::root().join(path)).unwrap();
    let compose = read("docker-compose.yml");
    let source = read("relay/deploy/grafana/provisioning/datasources/prometheus.yml");
    let provider = read("relay/deploy/grafana/provisioning/dashboards/gantz.yml");
    assert!(source.contains("uid: prometheus\n") && source.contains("url: http://prometheus:9090\n"));
    assert!(provider.contains("path: /etc/grafana/dashboards\n"));
    let (folder, file) = DASHBOARD.rsplit_once('/').unwrap();
    assert!(compose.contains(&format!("./{folder}:/etc/grafana/dashboards:ro")));
    assert!(compose.contains(&format!("DASHBOARD_PATH: /etc/grafana/dashboards/{file}\n")));
    assert!(compose.contains(&format!("./{PROMETHEUS}:/etc/prometheus/prometheus.yml:ro")));
    assert!(Path::new(&binaries::root().join(DASHBOARD)).is_file());
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "prometheus", "{panel}");
        }
    }
}
