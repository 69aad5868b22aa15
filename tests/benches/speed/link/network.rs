//! Two machines with a link between them, each a network namespace: the relay's, where the callers are, and the agent's,
//! where the local server is. The link is a process, [`simulator`](super::simulator).

use std::net::Ipv4Addr;
use std::path::Path;

use gantz_tests::link::Shape;
use gantz_tests::namespaces::{Namespace, Tag};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::simulator::{Counts, FAR, NEAR, SimulatorArgs};
use crate::ends::{End, Ends};
use crate::gantz::DOMAIN;
use crate::process::{Announces, Process, Said};

/// What the namespaces of this benchmark begin with.
pub(crate) const PREFIX: &str = "gantz-speed-";

/// Addresses of the block that is for tests of networks (RFC 2544). Nobody else sees them.
const RELAY: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
const AGENT: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 2);
const BITS: u8 = 30;
const BETWEEN: &str = "198.19.0.0/30";

/// Packets that wait in a device for the simulator: far more than ever do, so that all that is lost is lost by the link.
const WAITING: u32 = 10_000;

/// What the kernel's TCP does about congestion over the link, whatever it does elsewhere: as Linux has it. A property of
/// the route, as a namespace may set its default only to what this machine's own settings allow.
const CONGESTION: &str = "cubic";

/// Whether it keeps what one connection has learnt for the next one: each is to begin with nothing.
const FORGETFUL: (&str, &str) = ("net.ipv4.tcp_no_metrics_save", "1");

/// See the module's head. Dropped, all of it is gone.
pub(crate) struct Network {
    simulator: Process,
    said: Said,
    pub(crate) ends: Ends,
    folder: TempDir,
}

impl Network {
    /// Two machines that have nothing in them yet, with a link of that `shape`, which carries packets.
    pub(crate) async fn new(shape: &Shape) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, format!("127.0.0.1 localhost\n{RELAY} {DOMAIN}\n")).unwrap();
        let tag = Tag::new(PREFIX);
        let [relay, agent] = ["relay", "agent"].map(|machine| Namespace::new(PREFIX, tag, machine));
        let ends = Ends {
            relay: End::inside(relay, RELAY, hosts.clone()),
            agent: End::inside(agent, AGENT, hosts),
            relay_name: DOMAIN.to_owned(),
        };
        let mut command = ends.relay.this_program();
        command.arg("link").args(SimulatorArgs::of(shape));
        let (simulator, said) = Process::spawn("link", &mut command, Announces::Stdout);
        let mut network = Self { simulator, said, ends, folder };
        assert_eq!(network.line().await, "open");
        let (relay, agent) = network.machines();
        relay.ip(&format!("link set {FAR} netns {}", agent.name()));
        for (machine, device, address) in [(relay, NEAR, RELAY), (agent, FAR, AGENT)] {
            machine.set(FORGETFUL.0, FORGETFUL.1);
            // No packets but those of a row: without an address of its own, IPv6 says nothing.
            machine.ip(&format!("link set {device} addrgenmode none"));
            machine.ip(&format!("link set {device} txqueuelen {WAITING}"));
            machine.up(device, address, BITS);
            machine.ip(&format!("route replace {BETWEEN} dev {device} src {address} congctl {CONGESTION}"));
        }
        network.counts().await;
        network
    }

    /// What has passed so far.
    pub(crate) async fn counts(&mut self) -> Counts {
        self.simulator.go_on().await;
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// Fails if a packet was lost by anything but the link.
    pub(crate) fn check(&self) {
        let (relay, agent) = self.machines();
        for (machine, device) in [(relay, NEAR), (agent, FAR)] {
            for lost in ["tx_dropped", "rx_dropped"] {
                let lost = machine.run(&["cat", &format!("/sys/class/net/{device}/statistics/{lost}")]);
                assert_eq!(lost, "0", "packets were lost before or behind the link: this machine is too busy");
            }
        }
    }

    /// What the kernel's TCP does here, as it says itself.
    pub(crate) fn tcp(&self) -> Value {
        let (relay, agent) = self.machines();
        json!({
            "relay_route": relay.run(&["ip", "route", "show", BETWEEN]),
            "agent_route": agent.run(&["ip", "route", "show", BETWEEN]),
            "default_congestion_control": agent.setting("net.ipv4.tcp_congestion_control"),
            "no_metrics_save": agent.setting(FORGETFUL.0),
            "rmem": relay.setting("net.ipv4.tcp_rmem"),
            "wmem": agent.setting("net.ipv4.tcp_wmem"),
        })
    }

    /// A folder for what processes keep, gone with the rest.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn machines(&self) -> (&Namespace, &Namespace) {
        fn of(end: &End) -> &Namespace {
            end.namespace().expect("both are namespaces")
        }
        (of(&self.ends.relay), of(&self.ends.agent))
    }

    async fn line(&mut self) -> String {
        let line = gantz_tests::within("the link", self.said.next_line()).await.unwrap();
        line.expect("the link has ended")
    }
}
