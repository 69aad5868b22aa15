//! Which requests have a span, and where spans go.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Uri;
use http::request::Parts;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

use super::client::Client;
use super::limits::{DEADLINE, LAST_SPANS, MAX_ATTRIBUTES, SAID_BY_CALLERS};
use super::losses::Losses;
use super::parent;
use super::queue::Queue;
use super::span::RequestSpan;
use crate::rates::Bucket;

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// An https collector, and nobody who could vouch for it.
    #[error("the system has no certificate authorities")]
    NoRoots,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// There is no runtime for what is sent.
    #[error(transparent)]
    Runtime(#[from] tokio::runtime::TryCurrentError),
    /// The exporter cannot be made.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Where spans of requests go: a collector that takes OTLP over HTTP (`http/protobuf`). Clones are of the same one. A
/// collector that is away or slow costs spans, and nothing else.
#[derive(Clone)]
pub struct Traces(Arc<Inner>);

struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    sample: f64,
    /// Those that callers have asked for.
    said: Bucket,
    waiting: Arc<AtomicUsize>,
    losses: Arc<Losses>,
}

impl Traces {
    /// Exports to the collector at `endpoint`, to its path `/v1/traces`. A caller's `traceparent` says whether its request
    /// has a span, for as many as may; of the others without one, `sample` have (0 to 1). Starts a thread.
    ///
    /// # Errors
    /// [`TracesError`]; [`TracesError::Runtime`] outside of a tokio runtime.
    pub fn start(endpoint: &Uri, sample: f64) -> Result<Self, TracesError> {
        let (waiting, losses) = (Arc::<AtomicUsize>::default(), Arc::new(Losses::default()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(endpoint, losses.clone())?)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(DEADLINE)
            .with_endpoint(format!("{}/v1/traces", endpoint.to_string().trim_end_matches('/')))
            .build()?;
        let resource = Resource::builder()
            .with_service_name("gantz-relay")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Queue::new(exporter, waiting.clone(), losses.clone()))
            // No variable of the environment makes it fewer.
            .with_max_attributes_per_span(MAX_ATTRIBUTES)
            // It is decided before a span is made.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("gantz-relay");
        let (sample, said) = (sample.clamp(0.0, 1.0), Bucket::new(SAID_BY_CALLERS));
        Ok(Self(Arc::new(Inner { provider, tracer, sample, said, waiting, losses })))
    }

    /// A span of this request, if it is to have one; then its fields say that this is the parent. Else it stays as it is.
    pub(crate) fn begin(&self, request: &mut Parts) -> Option<RequestSpan> {
        let parent = parent::of(&request.headers);
        let is_sampled = match &parent {
            Some(parent) if !parent.is_sampled() => false,
            Some(_) if self.0.said.take().is_ok() => true,
            _ => rand::random_bool(self.0.sample),
        };
        if !is_sampled {
            return None;
        }
        let begins_a_trace = parent.is_none();
        let span = RequestSpan::begin(&self.0.tracer, &request.method, parent);
        if parent::has_room(request) {
            parent::pass_on(span.context(), begins_a_trace, &mut request.headers);
        }
        Some(span)
    }

    /// Exports what is left, for 2 s at most. Spans that end later are lost.
    pub async fn end(&self) {
        let traces = self.clone();
        let ended = tokio::task::spawn_blocking(move || traces.shut(LAST_SPANS)).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }

    /// Ends at once, with whatever is still there. After an [`end`](Self::end) there is nothing.
    pub fn cut(&self) {
        self.shut(Duration::ZERO);
    }

    fn shut(&self, patience: Duration) {
        match self.0.provider.shutdown_with_timeout(patience) {
            Err(OTelSdkError::AlreadyShutdown) => return,
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%error, "the last spans were not exported in time");
                self.0.losses.add(self.0.waiting.swap(0, Ordering::AcqRel));
            }
        }
        self.0.losses.end();
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("sample", &self.0.sample).finish_non_exhaustive()
    }
}
