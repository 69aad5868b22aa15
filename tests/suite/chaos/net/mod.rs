//! The real binaries, in network namespaces.

mod address;
mod mtu;
mod namespaces;
#[path = "../../e2e/process.rs"]
#[allow(dead_code, reason = "the other suite asks more of its processes")]
mod process;
mod site;
mod udp;
