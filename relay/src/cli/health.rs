//! `gantz-relay health`: asks the relay of this machine whether it is ready, for the health checks of containers.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;
use gantz_shared::failure::{Exit, Failure};
use serde_json::Value;

use super::args::address;

/// How long the relay may take to be reached, and again for each piece of its answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of an answer. The relay's own is some hundreds.
const MAX_ANSWER: u64 = 64 * 1024;

/// See the module's head.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Address of the operator's listener, as `serve` has it; 0.0.0.0 and [::] are asked on this machine
    #[arg(long, env = "GANTZ_RELAY_ADMIN_LISTEN", value_parser = address, default_value = "127.0.0.1:9090", value_name = "ADDR:PORT")]
    admin_listen: SocketAddr,
}

pub(super) fn run(args: &HealthArgs) -> Result<Exit, Failure> {
    let address = near(args.admin_listen);
    let answer = ask(address).map_err(|error| {
        Failure::new(Exit::Failed, format!("no relay answers on {address}"))
            .why(error)
            .hint("gantz-relay serve, or the address of its --admin-listen with --admin-listen")
    })?;
    let read = read(&answer);
    match read {
        Some((200, said)) => gantz_cli::print(
            troubles(&said, "warning").map_or_else(|| "ready\n".into(), |warning| warned(&warning)).as_bytes(),
        ),
        Some((503, said)) => Err(Failure::new(Exit::Failed, "the relay is not ready")
            .why(troubles(&said, "reason").unwrap_or_else(|| "it does not say why".into()))
            .hint("the relay's log")),
        _ => Err(Failure::new(Exit::Failed, format!("what answers on {address} is no relay"))
            .why("it does not say whether it is ready")
            .hint("the address of the relay's --admin-listen with --admin-listen")),
    }
}

/// A listener on every address is one of this machine's, too.
fn near(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer ends with the connection.
    stream.write_all(format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The status and the JSON of an answer.
fn read(answer: &[u8]) -> Option<(u16, Value)> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(answer).ok()? else { return None };
    Some((head.code?, serde_json::from_slice(&answer[length..]).ok()?))
}

/// What each check has to say under `key`.
fn troubles(said: &Value, key: &str) -> Option<String> {
    let mut all = Vec::new();
    if said["draining"] == true {
        all.push("it lets open streams finish and ends".to_owned());
    }
    for (check, said) in said["checks"].as_object().into_iter().flatten() {
        all.extend(said[key].as_str().map(|words| format!("{check}: {words}")));
    }
    (!all.is_empty()).then(|| all.join("; "))
}

fn warned(warning: &str) -> String {
    format!("ready, but {warning}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_this_machine() {
        for (listen, asked) in
            [("0.0.0.0:9090", "127.0.0.1:9090"), ("[::]:9090", "[::1]:9090"), ("192.0.2.7:9090", "192.0.2.7:9090")]
        {
            assert_eq!(near(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let (status, said) =
            read(b"HTTP/1.0 503 x\r\na: b\r\n\r\n{\"checks\":{\"store\":{\"ok\":false,\"reason\":\"full\"}}}").unwrap();
        assert_eq!((status, troubles(&said, "reason").as_deref()), (503, Some("store: full")));
        assert_eq!(troubles(&said, "warning"), None);
        for bad in ["", "HTTP/1.0 200", "HTTP/1.0 200 OK\r\n\r\n{\"ready\":", "SSH-2.0-OpenSSH_9.9\r\n"] {
            assert!(read(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
