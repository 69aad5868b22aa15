//! What the relay answers on its own name.

use axum::Router;
use axum::response::{Html, Response};
use axum::routing::get;
use http::HeaderMap;

use super::answer::Failure;
use crate::config::Domain;

/// A small page, and health.
pub(super) fn router(domain: &Domain) -> Router {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>gantz relay</title>\n<style>body{{font:16px/1.5 \
         system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 \
         1rem}}code{{background:#8882;padding:.1em .3em;border-radius:.2em}}</style>\n<h1>gantz relay</h1>\n\
         <p>This is <code>{domain}</code>, a relay: it gives local MCP servers public URLs of the form \
         <code>https://name.{domain}/mcp</code>.</p>\n<p>To open one: <code>gantz run --auth --relay {domain} \
         8090</code></p>\n",
        domain = domain.as_str()
    );
    let health = get(async || "ok\n");
    Router::new()
        .route("/", get(async move || Html(page)))
        .route("/healthz", health.clone())
        .route("/health", health)
        .fallback(async |fields: HeaderMap| own(Failure::NotFound, &fields))
        .method_not_allowed_fallback(async |fields: HeaderMap| own(Failure::MethodNotAllowed, &fields))
}

fn own(failure: Failure, fields: &HeaderMap) -> Response {
    failure.answer(fields).map(axum::body::Body::new)
}
