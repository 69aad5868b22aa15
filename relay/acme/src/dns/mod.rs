//! An authoritative DNS server for one name: the one under which a certificate authority looks for the proof of DNS-01
//! (RFC 8555 §8.4). The operator delegates that name to it once, with an NS or a CNAME record, and no DNS provider's key
//! is ever needed.
//!
//! ```text
//! UDP, TCP ─▶ Rates (each source) ─▶ reply(): bytes in, bytes out ◀─ Values ◀─ who orders a certificate
//! ```
//!
//! What always holds: nothing outside the zone is answered with more than REFUSED, nothing is looked up for anybody, an
//! answer over UDP is a few hundred bytes at most, and a source that asks too often over UDP gets no more than it sent.

mod places;
mod rates;
mod reply;
mod serve;
mod values;
mod zone;

pub use serve::{Server, Sockets};
pub use values::{Shown, Values};
pub use zone::{BadName, Zone};
