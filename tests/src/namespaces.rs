//! Network namespaces: machines with a network of their own, on this one. Whoever makes some names them with a prefix of
//! its own, behind which are its process and a number, so that what killed processes have left behind is found.
//!
//! Everything is done by `ip`, which needs rights that only root has: what fails panics, and says what to do. Who would
//! rather know beforehand asks [`check`].

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// What to do where this cannot be done.
const HOW: &str = "This makes network namespaces: run it as root on Linux, as in `sudo -E cargo …`; in a container, give it \
                   --cap-add NET_ADMIN --cap-add SYS_ADMIN";

/// Tells the namespaces of one test, or of one measurement, from those of others.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    /// This process.
    pub process: u32,
    /// Of those that this process has made.
    pub number: u32,
}

/// See the module's head. Dropped, it is gone, with its devices and the other ends of their ways.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Tag {
    /// Another one than any before; what is left of processes with that `prefix` that are gone is removed first.
    pub fn new(prefix: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep(prefix);
        Self { process: std::process::id(), number: COUNT.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Namespace {
    /// With nothing in it but itself (`lo`). Its name is the prefix, the tag, and what the `machine` is.
    pub fn new(prefix: &str, tag: Tag, machine: &str) -> Self {
        let made = Self { name: format!("{prefix}{}-{}-{machine}", tag.process, tag.number) };
        ip(&format!("netns add {}", made.name));
        made.ip("link set lo up");
        made
    }

    /// What `ip` calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip` with these arguments, inside.
    pub fn ip(&self, args: &str) {
        ip(&format!("-n {} {args}", self.name));
    }

    /// What a command says that runs inside.
    pub fn run(&self, command: &[&str]) -> String {
        let output = run(Command::new("ip").args(["netns", "exec", &self.name]).args(command));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a setting of the kernel for this namespace, such as `net.ipv4.ip_forward`.
    pub fn set(&self, setting: &str, value: &str) {
        let file = format!("/proc/sys/{}", setting.replace('.', "/"));
        self.run(&["sh", "-c", &format!("echo {value} > {file}")]);
    }

    /// The value of such a setting.
    pub fn setting(&self, setting: &str) -> String {
        self.run(&["cat", &format!("/proc/sys/{}", setting.replace('.', "/"))])
    }

    /// Gives a device its address, and takes it into use.
    pub fn up(&self, device: &str, address: Ipv4Addr, prefix: u8) {
        self.ip(&format!("addr add {address}/{prefix} dev {device}"));
        self.ip(&format!("link set {device} up"));
    }

    /// A program inside, as `ip` is told to start it. Its process is the program's own: `ip` becomes it.
    pub fn exec(&self, program: &Path) -> [OsString; 4] {
        ["netns".into(), "exec".into(), self.name.clone().into(), program.into()]
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What is missing was never made.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// Whether this process may make namespaces; if not, why, and what to do.
pub fn check(prefix: &str) -> Result<(), String> {
    let name = format!("{prefix}{}-check", std::process::id());
    attempt(Command::new("ip").args(["netns", "add", &name]))?;
    attempt(Command::new("ip").args(["netns", "del", &name])).map(drop)
}

/// `ip` with these arguments, on this machine.
pub fn ip(args: &str) {
    run(Command::new("ip").args(args.split(' ')));
}

/// Removes what processes have left behind that were killed.
fn sweep(prefix: &str) {
    let listed = run(Command::new("ip").args(["netns", "list"]));
    for name in String::from_utf8_lossy(&listed.stdout).lines().filter_map(|line| line.split(' ').next()) {
        let process = name.strip_prefix(prefix).and_then(|tag| tag.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another process may have been faster.
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn run(command: &mut Command) -> Output {
    attempt(command).unwrap_or_else(|why| panic!("{why}"))
}

fn attempt(command: &mut Command) -> Result<Output, String> {
    let output = command.output();
    let output = output.map_err(|error| format!("`ip` does not start ({error}): apt-get install iproute2. {HOW}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(output) } else { Err(format!("{command:?} failed: {}. {HOW}", said.trim())) }
}
