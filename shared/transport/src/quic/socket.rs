//! The UDP socket under an endpoint.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Bytes of UDP socket buffer that are asked for, each way: a burst of GSO packets must not be dropped by the kernel.
pub const UDP_BUFFER: usize = 4 << 20;

/// What of [`UDP_BUFFER`] is little enough to tell the operator.
const UDP_BUFFER_LITTLE: usize = 1 << 20;

/// Where a socket is bound that sends to `remote`, on a port that the system chooses.
pub(super) fn any(remote: SocketAddr) -> SocketAddr {
    if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() }
}

/// A UDP socket for an endpoint, with buffers as large as the system gives.
///
/// # Errors
/// What binding reports, such as a port that is taken.
pub fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // Where it is not possible to hear IPv4 too, hearing IPv6 alone is still what was asked for.
        if let Err(error) = socket.set_only_v6(false) {
            tracing::debug!(%error, "IPv6 socket does not take IPv4");
        }
    }
    socket.bind(&address.into())?;
    for (direction, set, get) in [
        (
            "receive",
            Socket::set_recv_buffer_size as fn(&Socket, usize) -> io::Result<()>,
            Socket::recv_buffer_size as fn(&Socket) -> io::Result<usize>,
        ),
        ("send", Socket::set_send_buffer_size, Socket::send_buffer_size),
    ] {
        set(&socket, UDP_BUFFER)?;
        let given = get(&socket)?;
        if given < UDP_BUFFER_LITTLE {
            tracing::warn!(
                direction,
                given,
                wanted = UDP_BUFFER,
                "small UDP buffer; raise net.core.rmem_max and wmem_max"
            );
        }
    }
    Ok(socket.into())
}
