//! Where a row's processes are: all on this machine as it is, or at both ends of a link, each end a network namespace.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantz_tests::namespaces::Namespace;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::process::{Announces, Process};

/// How often a program that says nothing is asked whether it listens.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Gives a process in a mount namespace of its own (ip-netns(8)) another table of hosts; `"$@"` is what to become.
const WITH_HOSTS: &str = r#"mount --bind "$0" /etc/hosts && exec "$@""#;

/// Both ends of a tunnel.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The relay's, or what stands for one, and the callers'.
    pub(crate) relay: End,
    /// The agent's, and the local server's.
    pub(crate) agent: End,
    /// What the agent calls the relay, as its certificate does.
    pub(crate) relay_name: String,
}

/// One end.
#[derive(Debug)]
pub(crate) struct End {
    /// Where the other one finds it.
    pub(crate) address: IpAddr,
    inside: Option<Inside>,
}

#[derive(Debug)]
struct Inside {
    namespace: Namespace,
    /// A table of hosts.
    hosts: PathBuf,
}

impl Ends {
    /// Both on this machine's loopback.
    pub(crate) fn here() -> Self {
        let end = || End { address: Ipv4Addr::LOCALHOST.into(), inside: None };
        Self { relay: end(), agent: end(), relay_name: Ipv4Addr::LOCALHOST.to_string() }
    }
}

impl End {
    /// In that namespace, which has this address; names are looked up in the file `hosts`.
    pub(crate) fn inside(namespace: Namespace, address: Ipv4Addr, hosts: PathBuf) -> Self {
        Self { address: address.into(), inside: Some(Inside { namespace, hosts }) }
    }

    /// Its namespace, where it has one.
    pub(crate) fn namespace(&self) -> Option<&Namespace> {
        self.inside.as_ref().map(|inside| &inside.namespace)
    }

    /// `program`, which has to be a path, as a process at this end.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some(Inside { namespace, hosts }) = &self.inside else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(namespace.exec(Path::new("sh"))).args(["-c", WITH_HOSTS]).arg(hosts).arg(program);
        command
    }

    /// This program itself, as a process at this end.
    pub(crate) fn this_program(&self) -> Command {
        self.command(&std::env::current_exe().unwrap())
    }

    /// A port that is free now: for programs that cannot say which one the system gave them.
    pub(crate) fn free(&self) -> SocketAddr {
        self.free_ports(1)[0]
    }

    /// So many different ones.
    pub(crate) fn free_ports(&self, count: usize) -> Vec<SocketAddr> {
        let bind = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listeners: Vec<_> = std::iter::repeat_with(bind).take(count).collect();
        // In a namespace of its own nothing is taken.
        listeners.iter().map(|taken| SocketAddr::new(self.address, taken.local_addr().unwrap().port())).collect()
    }

    /// When somebody listens at `address` of this end.
    pub(crate) async fn listens(&self, what: &'static str, address: SocketAddr) {
        let mut command = self.this_program();
        command.args(["reach", &address.to_string()]);
        let (asking, mut said) = Process::spawn(what, &mut command, Announces::Stdout);
        let said = gantz_tests::within(what, said.next_line()).await.unwrap();
        assert_eq!(said.as_deref(), Some("reached"), "{what}");
        asking.succeed().await;
    }
}

/// Asks until somebody listens at `address`, and says `reached`.
pub(crate) async fn reach(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    crate::load::say("reached");
}
