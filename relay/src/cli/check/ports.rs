//! Whether the ports could be bound. Each is bound for a moment, and nobody is listened to.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use gantz_cli::Said;
use gantz_shared::failure::Failure;
use socket2::{Domain, Socket, Type};

use crate::cli::args::{ServeArgs, TlsArg};
use crate::cli::{serve, settings};
use crate::config::{AcmeConfig, AcmeProof, Config, TlsConfig};

/// A port that is wanted.
struct Wanted {
    address: SocketAddr,
    of: Type,
    protocol: &'static str,
    flag: &'static str,
}

/// Whether the relay that has the ports is the one with this state folder: then they are where they should be.
pub(super) fn is_taken_by_the_relay_itself(state_dir: &Path) -> bool {
    #[cfg(unix)]
    return crate::takeover::is_served(state_dir);
    #[cfg(not(unix))]
    return state_dir.as_os_str().is_empty();
}

/// Those that cannot be had.
pub(super) fn taken(args: &ServeArgs, config: Option<&Config>, said: &Said) -> Vec<Failure> {
    let mut wanted = Vec::new();
    let mut want = |address, of, protocol, flag| wanted.push(Wanted { address, of, protocol, flag });
    if said.is_certain(&["listen"]) {
        want(args.listen, Type::STREAM, "TCP", "--listen");
        want(args.listen, Type::DGRAM, "UDP", "--listen");
    }
    if said.is_certain(&["listen", "http_listen", "tls"])
        && let Some(address) = settings::http_listen(args)
    {
        want(address, Type::STREAM, "TCP", "--http-listen");
    }
    if said.is_certain(&["admin_listen"]) {
        want(args.admin_listen, Type::STREAM, "TCP", "--admin-listen");
    }
    let tls = config.map(|config| &config.tls).filter(|_| args.tls == TlsArg::Acme && said.is_certain(&["tls"]));
    if let Some(TlsConfig::Acme(AcmeConfig { proof: AcmeProof::Dns { listen, .. }, .. })) = tls {
        want(*listen, Type::DGRAM, "DNS, UDP", "--acme-dns-listen");
        want(*listen, Type::STREAM, "DNS, TCP", "--acme-dns-listen");
    }
    let tried = wanted.iter().enumerate().filter_map(|(index, port)| {
        // Two that nobody listens on could be bound at once.
        let is_double = wanted[..index].iter().any(|earlier| earlier.is_in_the_way_of(port));
        let error = if is_double { io::ErrorKind::AddrInUse.into() } else { bind(port.address, port.of).err()? };
        Some(serve::taken(port.address, port.protocol, port.flag, &error))
    });
    tried.collect()
}

impl Wanted {
    fn is_in_the_way_of(&self, other: &Self) -> bool {
        let (one, two) = (self.address, other.address);
        let is_same_port = self.of == other.of && one.port() == two.port() && one.port() != 0;
        is_same_port && (one.ip() == two.ip() || one.ip().is_unspecified() || two.ip().is_unspecified())
    }
}

/// As the standard library binds, without listening.
fn bind(address: SocketAddr, of: Type) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), of, None)?;
    #[cfg(unix)]
    if of == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())
}
