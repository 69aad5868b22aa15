//! The local server: what [`answers`] has, and `/events/INDEX/COUNT` for a stream of events. It ends with its stdin, and so
//! with the process that started it.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use gantz_tests::bench::answers;
use tokio::net::TcpListener;

use crate::ends::End;
use crate::process::{Announces, Process};
use crate::ticks::Ticks;

/// Serves at `address` on a port of the system's choice and prints both.
pub(crate) async fn run(address: IpAddr) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        () = answers::serve(listener, ticks) => {}
        _ = end => {}
    }
}

/// Starts it as a process at `end`; and where it is found.
pub(crate) async fn start(end: &End) -> (Process, SocketAddr) {
    let mut command = end.this_program();
    command.arg("origin").arg(end.address.to_string());
    Process::start("origin", &mut command, Announces::Stdout, |line| line.parse().ok()).await
}

fn ticks(path: &str) -> Option<Ticks> {
    let (index, count) = path.split_once('/')?;
    Some(Ticks::new(index.parse().ok()?, count.parse().ok()?))
}
