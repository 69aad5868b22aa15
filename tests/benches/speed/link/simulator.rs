//! The link, as a process: what the kernel sends into one of two `tun` devices comes out of the other, later or never, as
//! [`Bottleneck`] says of each way.
//!
//! ```text
//! kernel of the relay's end ── near ── this process ── far ── kernel of the agent's end
//! ```
//!
//! Both devices are made where this process runs; whoever started it moves them to where they belong, which leaves them
//! ours. It says `open` when they are there, and from then on answers each line with what has passed, as JSON; with the
//! first line it begins to carry packets. It ends with its stdin, and with it both devices.

use std::io::BufRead;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use gantz_tests::link::{Bottleneck, Passed, Shape};
use serde::{Deserialize, Serialize};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::load::say;

/// The device of the relay's end, and that of the agent's.
pub(crate) const NEAR: &str = "near";
pub(crate) const FAR: &str = "far";

/// The largest packet, bytes.
pub(crate) const MTU: u16 = 1_500;

/// What the link is like, either way; see [`Shape`].
#[derive(Debug, Args)]
pub(crate) struct SimulatorArgs {
    #[arg(long)]
    rate: f64,
    #[arg(long)]
    delay_micros: u64,
    #[arg(long)]
    queue: usize,
    #[arg(long)]
    loss: f64,
    #[arg(long)]
    seed: u64,
}

/// What has passed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// From the agent's end to the relay's.
    pub(crate) up: Way,
    /// The other way.
    pub(crate) down: Way,
}

/// What has passed one way.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Way {
    pub(crate) passed: Passed,
    /// How much later than they should have packets have arrived, all together: what the machine was too busy for.
    pub(crate) late: Duration,
}

impl Way {
    /// What has passed since it was `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self { passed: self.passed.since(&before.passed), late: self.late - before.late }
    }
}

/// Does what `args` say.
pub(crate) fn run(args: &SimulatorArgs) {
    let (near, far) = (Arc::new(device(NEAR)), Arc::new(device(FAR)));
    say("open");
    let mut ways = None;
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        let (up, down) = ways.get_or_insert_with(|| {
            let (up, down) = (args.shape(0), args.shape(1));
            (carry(far.clone(), near.clone(), up), carry(near.clone(), far.clone(), down))
        });
        let counts = Counts { up: up.counts(), down: down.counts() };
        say(&serde_json::to_string(&counts).unwrap());
    }
}

impl SimulatorArgs {
    /// As arguments of the program.
    pub(crate) fn of(shape: &Shape) -> [String; 10] {
        let Shape { rate, delay, queue, loss, seed } = shape;
        let delay = delay.as_micros();
        [
            ("--rate", rate.to_string()),
            ("--delay-micros", delay.to_string()),
            ("--queue", queue.to_string()),
            ("--loss", loss.to_string()),
            ("--seed", seed.to_string()),
        ]
        .map(|(name, value)| [name.to_owned(), value])
        .concat()
        .try_into()
        .expect("five with a value each")
    }

    /// That of one way; the other one has a random of its own.
    fn shape(&self, way: u64) -> Shape {
        Shape {
            rate: self.rate,
            delay: Duration::from_micros(self.delay_micros),
            queue: self.queue,
            loss: self.loss,
            seed: self.seed.wrapping_mul(2).wrapping_add(way),
        }
    }
}

/// One way, while its threads carry packets.
struct Carried {
    bottleneck: Arc<Mutex<Bottleneck>>,
    late: Arc<Mutex<Duration>>,
}

impl Carried {
    fn counts(&self) -> Way {
        Way { passed: self.bottleneck.lock().unwrap().passed(), late: *self.late.lock().unwrap() }
    }
}

/// Two threads a way: one takes packets as they come, one hands each over when its time has come. Threads, as they wake
/// up within some hundredths of a millisecond and not at the next tick of tokio's clock; they end with the process.
fn carry(from: Arc<SyncDevice>, to: Arc<SyncDevice>, shape: Shape) -> Carried {
    let bottleneck = Arc::new(Mutex::new(Bottleneck::new(shape)));
    let late = Arc::new(Mutex::new(Duration::ZERO));
    let (sender, queue) = mpsc::channel::<(Instant, Vec<u8>)>();
    let taking = bottleneck.clone();
    thread::spawn(move || {
        let mut buffer = [0; MTU as usize];
        loop {
            let length = from.recv(&mut buffer).expect("the device is ours");
            if let Some(due) = taking.lock().unwrap().take(Instant::now(), length) {
                let _ = sender.send((due, buffer[..length].to_vec()));
            }
        }
    });
    let lateness = late.clone();
    thread::spawn(move || {
        for (due, packet) in queue {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            *lateness.lock().unwrap() += due.elapsed();
            to.send(&packet).expect("the device is ours");
        }
    });
    Carried { bottleneck, late }
}

fn device(name: &str) -> SyncDevice {
    let device = DeviceBuilder::new().name(name).mtu(MTU).build_sync();
    device.unwrap_or_else(|error| {
        eprintln!("no tun device: {error}. In a container, give it --device /dev/net/tun");
        std::process::exit(1);
    })
}
