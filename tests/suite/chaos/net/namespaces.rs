//! Three machines in network namespaces of this test's own, each a namespace: the agent's, a router, the relay's.
//!
//! ```text
//! this machine ── home ── agent ── near ── router ── far ── relay ── public ── this machine
//! ```
//!
//! The tunnel has no other way than through the router. The local server and the callers are in this process, at both ends.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use super::process;

/// What every namespace of this suite begins with; behind it are the process and a number.
const PREFIX: &str = "gantz-chaos-";

/// What to do where this cannot be done.
const HOW: &str = "these tests make network namespaces: run them as root on Linux, `sudo -E cargo test -p gantz-tests \
                   --test chaos`; in a container, give it --cap-add NET_ADMIN --cap-add SYS_ADMIN";

/// Length of the prefixes of networks between machines, and of those with an end here.
const INSIDE: u8 = 24;
const OUTSIDE: u8 = 30;

/// See the module's head. Dropped, they are gone, with everything on the way.
pub(crate) struct Namespaces {
    tag: String,
    /// Makes addresses unlike those of other tests that run.
    third: u8,
    fourth: u8,
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) enum Machine {
    Agent,
    Router,
    Relay,
}

impl Machine {
    const ALL: [Self; 3] = [Self::Agent, Self::Router, Self::Relay];

    fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Router => "router",
            Self::Relay => "relay",
        }
    }
}

impl Namespaces {
    /// Makes them, and the ways between them.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        sweep();
        let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Of the block that is for tests of networks (RFC 2544), 8 addresses each.
        let made = Self { tag: format!("{process}-{number}"), third: (process % 251) as u8, fourth: (number % 32) * 8 };
        for machine in Machine::ALL {
            ip(&format!("netns add {}", made.namespace(machine)));
            made.ip(machine, "link set lo up");
        }
        made.way(Machine::Agent, "near", made.agent(), Machine::Router, "near", made.router_near());
        made.way(Machine::Relay, "far", made.relay(), Machine::Router, "far", made.router_far());
        made.ip(Machine::Agent, &format!("route add {} via {}", made.relay(), made.router_near()));
        made.ip(Machine::Relay, &format!("route add 198.19.1.0/{INSIDE} via {}", made.router_far()));
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run(Command::new("ip").args(["netns", "exec", &made.namespace(Machine::Router), "sh", "-c", forward]));
        made.way_out(Machine::Agent, "home", made.server(), made.at_home());
        made.way_out(Machine::Relay, "public", made.caller(), made.edge());
        made
    }

    /// The agent's address at first, on its side of the router.
    fn agent(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, 1, 2)
    }

    /// The agent gets another address, and loses the one it had. For a moment it has none.
    pub(crate) fn move_agent(&self, last: u8) {
        self.ip(Machine::Agent, "addr flush dev near");
        self.ip(Machine::Agent, &format!("addr add 198.19.1.{last}/{INSIDE} dev near"));
        // The way went with the address.
        self.ip(Machine::Agent, &format!("route add {} via {}", self.relay(), self.router_near()));
    }

    /// No packet between the router and the relay is longer than this, bytes.
    pub(crate) fn narrow(&self, mtu: u32) {
        for machine in [Machine::Router, Machine::Relay] {
            self.ip(machine, &format!("link set far mtu {mtu}"));
        }
    }

    /// The router drops UDP, and says nothing.
    pub(crate) fn drop_udp(&self) {
        self.ip(Machine::Router, "rule add pref 1 ipproto udp blackhole");
    }

    /// It drops the UDP that this machine sends, and says nothing.
    pub(crate) fn drop_udp_of(&self, machine: Machine) {
        let from = match machine {
            Machine::Relay => "far",
            _ => "near",
        };
        self.ip(Machine::Router, &format!("rule add pref 1 iif {from} ipproto udp blackhole"));
    }

    /// It lets UDP through again.
    pub(crate) fn pass_udp(&self) {
        self.ip(Machine::Router, "rule del pref 1");
    }

    fn router_near(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, 1, 1)
    }

    /// Where agents find the relay.
    pub(crate) fn relay(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, 2, 2)
    }

    fn router_far(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, 2, 1)
    }

    /// Where the local server listens, on this machine.
    pub(crate) fn server(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.third, self.fourth + 1)
    }

    fn at_home(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.third, self.fourth + 2)
    }

    fn caller(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.third, self.fourth + 5)
    }

    /// Where callers find the relay.
    pub(crate) fn edge(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.third, self.fourth + 6)
    }

    /// `program`, on this machine, as [`process::command`] has it. Whoever runs it ends it.
    pub(crate) fn inside(&self, machine: Machine, program: &Path, home: &Path) -> tokio::process::Command {
        let mut command = process::command("ip", home);
        command.args(["netns", "exec", &self.namespace(machine)]).arg(program);
        command
    }

    /// `ip` on this machine.
    fn ip(&self, machine: Machine, args: &str) {
        ip(&format!("-n {} {args}", self.namespace(machine)));
    }

    fn namespace(&self, machine: Machine) -> String {
        format!("{PREFIX}{}-{}", self.tag, machine.name())
    }

    fn way(&self, here: Machine, name: &str, at: Ipv4Addr, there: Machine, its: &str, other: Ipv4Addr) {
        let peer = self.namespace(there);
        self.ip(here, &format!("link add {name} type veth peer name {its} netns {peer}"));
        self.up(here, name, at, INSIDE);
        self.up(there, its, other, INSIDE);
    }

    /// To this machine itself, on which an interface has a name that nobody else's has.
    fn way_out(&self, machine: Machine, name: &str, here: Ipv4Addr, there: Ipv4Addr) {
        let letter = &name[..1];
        let outside = format!("gz{}{letter}", self.tag);
        ip(&format!("link add {outside} type veth peer name {name} netns {}", self.namespace(machine)));
        ip(&format!("addr add {here}/{OUTSIDE} dev {outside}"));
        ip(&format!("link set {outside} up"));
        self.up(machine, name, there, OUTSIDE);
    }

    fn up(&self, machine: Machine, name: &str, address: Ipv4Addr, prefix: u8) {
        self.ip(machine, &format!("addr add {address}/{prefix} dev {name}"));
        self.ip(machine, &format!("link set {name} up"));
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for machine in Machine::ALL {
            // What is missing was never made; the ways go with their ends.
            let _ = Command::new("ip").args(["netns", "del", &self.namespace(machine)]).output();
        }
    }
}

/// Removes what processes have left behind that were killed.
fn sweep() {
    let listed = Command::new("ip").args(["netns", "list"]).output();
    let Ok(listed) = listed else { panic!("`ip` does not start: apt-get install iproute2. {HOW}") };
    for name in String::from_utf8_lossy(&listed.stdout).lines().filter_map(|line| line.split(' ').next()) {
        let process = name.strip_prefix(PREFIX).and_then(|tag| tag.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another test may have been faster.
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn ip(args: &str) {
    run(Command::new("ip").args(args.split(' ')));
}

fn run(command: &mut Command) {
    let output = command.output();
    let output =
        output.unwrap_or_else(|error| panic!("`ip` does not start ({error}): apt-get install iproute2. {HOW}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {}. {HOW}", said.trim());
}
