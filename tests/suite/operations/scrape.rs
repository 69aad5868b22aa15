//! What a relay tells the operator.

use std::collections::BTreeMap;

use gantz_relay::Relay;
use gantz_tests::within;
use reqwest::{Response, StatusCode};
use serde_json::Value;

/// Asks for OpenMetrics, as Prometheus does.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

/// One scrape.
pub(crate) struct Scrape {
    pub(crate) text: String,
    /// By its name and labels, as they are written.
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    /// The value of a series; there has to be one.
    #[track_caller]
    pub(crate) fn get(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series}\n{}", self.text))
    }
}

/// Whoever asks the operator's listener; a connection each time.
pub(crate) fn client() -> reqwest::Client {
    let tls = gantz_tests::client::trusting("", &[]);
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

async fn ask(relay: &Relay, path: &str, accept: &str) -> Response {
    let client = client();
    let url = format!("http://{}{path}", relay.admin_addr().unwrap());
    within(path, client.get(url).header("accept", accept).send()).await.unwrap()
}

pub(crate) async fn scrape(relay: &Relay) -> Scrape {
    scrape_as(relay, "*/*").await
}

pub(crate) async fn scrape_as(relay: &Relay, accept: &str) -> Scrape {
    let answer = ask(relay, "/metrics", accept).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let expected = if accept == OPENMETRICS {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    assert_eq!(media_type, expected);
    let text = answer.text().await.unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let series = samples.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    });
    Scrape { series: series.collect(), text }
}

/// Scrapes until `series` has this value.
pub(crate) async fn until(relay: &Relay, series: &str, value: f64) -> Scrape {
    let told = async {
        loop {
            let scrape = scrape(relay).await;
            if scrape.get(series) == value {
                return scrape;
            }
        }
    };
    within(&format!("{series} {value}"), told).await
}

/// `GET /readyz`.
pub(crate) async fn ready(relay: &Relay) -> (StatusCode, Value) {
    let answer = ask(relay, "/readyz", "*/*").await;
    (answer.status(), answer.json().await.unwrap())
}
