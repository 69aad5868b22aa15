//! A request's span, by the semantic conventions for HTTP servers. Only what stands here is in one: the method, the status,
//! which host was asked for, and how the relay's own answers are called. No token, path, query, session or field is.

use std::borrow::Cow;

use http::{Method, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry_sdk::trace::{SdkTracer, Span};

/// See the module's head. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    // Few requests have one: the others carry no more than a pointer that is none.
    span: Box<Span>,
    method: &'static str,
}

impl RequestSpan {
    /// Below `parent`, or the first of a trace.
    pub(super) fn begin(tracer: &SdkTracer, method: &Method, parent: Option<SpanContext>) -> Self {
        let (attribute, name) = known(method);
        let builder = tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", attribute)]);
        let around = opentelemetry::Context::new();
        let around = match parent {
            Some(parent) => around.with_remote_span_context(parent),
            None => around,
        };
        Self { span: Box::new(tracer.build_with_context(builder, &around)), method: name }
    }

    pub(super) fn context(&self) -> &SpanContext {
        self.span.span_context()
    }

    /// Which kind of host was asked for, and which.
    pub(crate) fn leads_to(&mut self, class: &'static str, host: String) {
        self.span.update_name(format!("{} {class}", self.method));
        self.span.set_attribute(KeyValue::new("server.address", host));
    }

    /// What was answered; and with which code, where the relay itself did.
    pub(crate) fn answered(&mut self, status: StatusCode, code: Option<&'static str>) {
        self.span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            let kind = code.map_or_else(|| Cow::Owned(status.as_str().to_owned()), Cow::Borrowed);
            self.span.set_attribute(KeyValue::new("error.type", kind));
            self.span.set_status(Status::error(""));
        }
    }
}

/// A method that HTTP knows, and what spans of it are called: any other one is the caller's text.
fn known(method: &Method) -> (&'static str, &'static str) {
    let known = match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => return ("_OTHER", "HTTP"),
    };
    (known, known)
}
