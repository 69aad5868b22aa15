//! The flags of spans over OTLP. A relay that makes none knows them too, to say which one does.
// The docs of flags are what --help prints, and a terminal wants bare URLs.
#![allow(rustdoc::bare_urls)]

use clap::Args;
use gantz_shared::failure::{Exit, Failure};
use http::Uri;

use crate::config::Config;
use crate::telemetry::Traces;

/// See the module's head.
#[derive(Debug, Args)]
pub(super) struct OtlpArgs {
    /// Collector that takes OTLP over HTTP, such as http://127.0.0.1:4318: requests are spans there [default: none]
    #[arg(long, env = "GANTZ_RELAY_OTLP_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    #[cfg_attr(not(feature = "otlp"), arg(hide = true))]
    otlp_endpoint: Option<Uri>,
    /// With --otlp-endpoint: of the requests without a traceparent, how many are spans, 0 to 1; a caller's own traceparent
    /// says it itself
    #[arg(long, env = "GANTZ_RELAY_OTLP_SAMPLE", value_name = "SHARE", value_parser = share, default_value = "0.01")]
    #[cfg_attr(not(feature = "otlp"), arg(hide = true))]
    otlp_sample: f64,
}

impl OtlpArgs {
    /// What this relay cannot do.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if cfg!(feature = "otlp") || self.otlp_endpoint.is_none() {
            return Ok(());
        }
        Err(Failure::new(Exit::Usage, "--otlp-endpoint cannot be used with this gantz-relay")
            .why("it was built without OTLP")
            .hint("one that was built with it: cargo build -p gantz-relay --release --features otlp"))
    }

    /// From here on requests are spans, where that is wished for.
    #[cfg(feature = "otlp")]
    pub(super) fn start(&self, config: &mut Config) -> Result<Exporting, Failure> {
        let traces = self.otlp_endpoint.as_ref().map(|endpoint| Traces::start(endpoint, self.otlp_sample));
        config.traces = traces
            .transpose()
            .map_err(|error| Failure::new(Exit::Failed, "cannot export over OTLP").words(&error.to_string()))?;
        Ok(Exporting(config.traces.clone()))
    }

    #[cfg(not(feature = "otlp"))]
    pub(super) fn start(&self, config: &mut Config) -> Result<Exporting, Failure> {
        self.check().map(|()| Exporting(config.traces.clone()))
    }
}

/// What is exported to. Dropped without [`end`](Self::end), it ends at once.
pub(super) struct Exporting(Option<Traces>);

impl Exporting {
    /// Waits for the last spans to be taken, within a bound.
    pub(super) async fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = &self.0 {
            traces.end().await;
        }
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = &self.0 {
            traces.cut();
        }
    }
}

fn endpoint(text: &str) -> Result<Uri, String> {
    // What is before an @ may be a password: nothing of it is repeated.
    let wrong = || "it is not the http or https address of a collector; http://127.0.0.1:4318".to_owned();
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if is_http && url.host().is_some() && url.query().is_none() && !has_user { Ok(url) } else { Err(wrong()) }
}

fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a share of all; 0 for none, 0.01 for one in a hundred, 1 for all");
    let share: f64 = text.parse().map_err(|_| wrong())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_endpoint() {
        for right in ["http://127.0.0.1:4318", "https://otel.example.com", "http://[::1]:4318/base/"] {
            assert!(endpoint(right).is_ok(), "{right}");
        }
        for wrong in ["", "127.0.0.1:4318", "/v1/traces", "grpc://a:4317", "http://u:secret@a", "http://a/?key=secret"]
        {
            let words = endpoint(wrong).unwrap_err();
            assert!(!words.contains("secret"), "{wrong}: {words}");
        }
    }

    #[test]
    fn what_is_a_share() {
        for (text, value) in [("0", 0.0), ("0.01", 0.01), ("1", 1.0)] {
            assert!((share(text).unwrap() - value).abs() < f64::EPSILON, "{text}");
        }
        for wrong in ["", "-0.1", "1.01", "NaN", "inf", "1%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_relay_without_it_names_the_one_with_it() {
        let args = OtlpArgs { otlp_endpoint: Some(Uri::from_static("http://127.0.0.1:4318")), otlp_sample: 0.01 };
        let refused = args.check().err().map(|failure| failure.to_string().contains("--features otlp"));
        assert_eq!(refused, (!cfg!(feature = "otlp")).then_some(true));
    }
}
