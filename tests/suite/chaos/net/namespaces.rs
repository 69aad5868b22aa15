//! Three machines in network namespaces of this test's own, each a namespace: the agent's, a router, the relay's.
//!
//! ```text
//! this machine ── home ── agent ── near ── router ── far ── relay ── public ── this machine
//! ```
//!
//! The tunnel has no other way than through the router. The local server and the callers are in this process, at both ends.

use std::net::Ipv4Addr;
use std::path::Path;

use gantz_tests::namespaces::{Namespace, Tag, ip};

use super::process;

/// What every namespace of this suite begins with.
const PREFIX: &str = "gantz-chaos-";

/// Length of the prefixes of networks between machines, and of those with an end here.
const INSIDE: u8 = 24;
const OUTSIDE: u8 = 30;

/// See the module's head. Dropped, they are gone, with everything on the way.
pub(crate) struct Namespaces {
    /// In the order of [`Machine`].
    machines: [Namespace; 3],
    tag: Tag,
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) enum Machine {
    Agent,
    Router,
    Relay,
}

impl Namespaces {
    /// Makes them, and the ways between them.
    pub(crate) fn new() -> Self {
        let tag = Tag::new(PREFIX);
        let machines = ["agent", "router", "relay"].map(|machine| Namespace::new(PREFIX, tag, machine));
        let made = Self { machines, tag };
        made.way(Machine::Agent, "near", made.agent(), Machine::Router, "near", made.router_near());
        made.way(Machine::Relay, "far", made.relay(), Machine::Router, "far", made.router_far());
        made.ip(Machine::Agent, &format!("route add {} via {}", made.relay(), made.router_near()));
        made.ip(Machine::Relay, &format!("route add 198.19.1.0/{INSIDE} via {}", made.router_far()));
        made.machine(Machine::Router).set("net.ipv4.ip_forward", "1");
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
        self.outside(1)
    }

    fn at_home(&self) -> Ipv4Addr {
        self.outside(2)
    }

    fn caller(&self) -> Ipv4Addr {
        self.outside(5)
    }

    /// Where callers find the relay.
    pub(crate) fn edge(&self) -> Ipv4Addr {
        self.outside(6)
    }

    /// Of the block that is for tests of networks (RFC 2544), 8 addresses each: unlike those of other tests that run.
    fn outside(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, (self.tag.process % 251) as u8, (self.tag.number % 32) as u8 * 8 + last)
    }

    /// `program`, on this machine, as [`process::command`] has it. Whoever runs it ends it.
    pub(crate) fn inside(&self, machine: Machine, program: &Path, home: &Path) -> tokio::process::Command {
        let mut command = process::command("ip", home);
        command.args(self.machine(machine).exec(program));
        command
    }

    /// `ip` on this machine.
    fn ip(&self, machine: Machine, args: &str) {
        self.machine(machine).ip(args);
    }

    fn machine(&self, machine: Machine) -> &Namespace {
        &self.machines[machine as usize]
    }

    fn way(&self, here: Machine, name: &str, at: Ipv4Addr, there: Machine, its: &str, other: Ipv4Addr) {
        let (here, there) = (self.machine(here), self.machine(there));
        here.ip(&format!("link add {name} type veth peer name {its} netns {}", there.name()));
        here.up(name, at, INSIDE);
        there.up(its, other, INSIDE);
    }

    /// To this machine itself, on which an interface has a name that nobody else's has.
    fn way_out(&self, machine: Machine, name: &str, here: Ipv4Addr, there: Ipv4Addr) {
        let machine = self.machine(machine);
        let outside = format!("gz{}-{}{}", self.tag.process, self.tag.number, &name[..1]);
        ip(&format!("link add {outside} type veth peer name {name} netns {}", machine.name()));
        ip(&format!("addr add {here}/{OUTSIDE} dev {outside}"));
        ip(&format!("link set {outside} up"));
        machine.up(name, there, OUTSIDE);
    }
}
