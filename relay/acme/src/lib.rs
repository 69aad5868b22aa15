//! Certificates by ACME (RFC 8555) for a domain and everything under it, or for it and for names under it one by one, and
//! their renewal.
//!
//! ```text
//!            ┌─ Responder::Dns ─▶ dns::Server (port 53, `_acme-challenge` only)
//! Keeper ─▶ order ─▶ certificate authority
//!    │       ├─ Responder::Hook ─▶ a command that sets the record at a provider
//!    │       └─ Responder::TlsAlpn, ::Http ─▶ whoever serves port 443 or 80
//!    ├─ Names: a keeper for each name that somebody holds
//!    ├─▶ Store: account, certificate and key (0600, whole or not at all)
//!    └─▶ watch<State>: the certificate in use, the last trouble, the next try
//! ```
//!
//! The caller binds the sockets, runs [`Keeper::run`] and [`dns::Server::serve`], and puts what [`State`] has into use.
//!
//! What always holds: a certificate in use is replaced only by one that has its key and is for the same names; whatever
//! fails, the old one stays, and the next try comes, later each time; the certificate authority is asked for nothing while
//! the disk has no room for it.

mod certificate;
mod challenges;
pub mod dns;
mod limits;
mod names;
mod order;
mod renew;
mod settings;
mod store;
mod subject;
mod trouble;

pub use certificate::{BadCertificate, Certificate};
pub use challenges::{ACME_TLS_ALPN, HTTP_PATH, Http, TlsAlpn};
pub use limits::*;
pub use names::{Names, NamesKeeper};
pub use order::{Hook, Responder};
pub use renew::{Keeper, OpenError, Pace, State};
pub use settings::{Settings, Trust, directory};
pub use store::StoreError;
pub use subject::Subject;
pub use trouble::Trouble;
