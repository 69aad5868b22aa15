//! Spans of requests over OTLP (HTTP, protobuf), where the relay was built with the feature `otlp`. Without it [`Traces`]
//! has no values, and what could be done with one costs nothing.
//!
//! ```text
//! request ─▶ Traces::begin ─▶ RequestSpan ─▶ room in the queue? ─▶ batch ─▶ collector
//!                 │                                └─ no: lost, and counted     │
//!                 └─▶ its traceparent goes on to the local server               └─ fails: lost, and counted
//! ```

#[cfg(feature = "otlp")]
mod client;
#[cfg(feature = "otlp")]
mod limits;
#[cfg(feature = "otlp")]
mod losses;
#[cfg(not(feature = "otlp"))]
mod none;
#[cfg(feature = "otlp")]
mod parent;
#[cfg(feature = "otlp")]
mod queue;
#[cfg(feature = "otlp")]
mod span;
#[cfg(feature = "otlp")]
mod traces;

#[cfg(not(feature = "otlp"))]
pub(crate) use none::RequestSpan;
#[cfg(not(feature = "otlp"))]
pub use none::Traces;
#[cfg(feature = "otlp")]
pub(crate) use span::RequestSpan;
#[cfg(feature = "otlp")]
pub use traces::{Traces, TracesError};
