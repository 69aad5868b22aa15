//! A process that is measured: started, awaited until it is ready, read from `/proc`, and killed with its handle.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use super::memory::held;
use super::processor;

/// What is written to `clear_refs` to have the peak of the resident set begin anew (proc_pid_clear_refs(5)).
const RESET_PEAK: &str = "5";

/// How much is kept of what a process says aside, bytes and the rest of a line.
const ASIDE: usize = 16 << 10;

/// Which stream says that a process is ready.
#[derive(Debug, Clone, Copy)]
pub enum Announces {
    Stdout,
    /// The same, and what is on stderr is told only of one that ends before it is ready.
    StdoutAlone,
    Stderr,
}

/// See the module's head.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    pid: u32,
    /// Resident bytes when it was ready and had done nothing.
    pub idle: u64,
    /// What it says on stderr until it ends, where that is not told.
    aside: Option<JoinHandle<String>>,
}

/// What a process says, line by line.
pub type Said = Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>;

impl Process {
    /// Starts `command`, and gives what `ready` finds in a line of its output. What it says later is thrown away.
    pub async fn start<T>(
        name: &'static str,
        command: &mut Command,
        announces: Announces,
        ready: impl Fn(&str) -> Option<T>,
    ) -> (Self, T) {
        let (mut process, mut said) = Self::spawn(name, command, announces);
        let mut heard = String::new();
        let found = crate::within(name, async {
            while let Some(line) = said.next_line().await.unwrap() {
                if let Some(found) = ready(&line) {
                    return found;
                }
                heard.push_str(&line);
                heard.push('\n');
            }
            if let Some(aside) = &mut process.aside {
                heard += &aside.await.unwrap();
            }
            panic!("{name} ended before it was ready:\n{heard}");
        });
        let found = found.await;
        // A full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        (Self { idle: process.resident(), ..process }, found)
    }

    /// Starts `command` and hands its output over.
    pub fn spawn(name: &'static str, command: &mut Command, announces: Announces) -> (Self, Said) {
        command.stdin(Stdio::piped()).kill_on_drop(true);
        match announces {
            Announces::Stdout => command.stdout(Stdio::piped()).stderr(Stdio::inherit()),
            Announces::StdoutAlone => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
            Announces::Stderr => command.stdout(Stdio::null()).stderr(Stdio::piped()),
        };
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let pid = child.id().expect("it was not awaited yet");
        let stream: Box<dyn AsyncRead + Send + Unpin> = match announces {
            Announces::Stdout | Announces::StdoutAlone => Box::new(child.stdout.take().unwrap()),
            Announces::Stderr => Box::new(child.stderr.take().unwrap()),
        };
        let aside = child.stderr.take().map(|stderr| tokio::spawn(kept(stderr)));
        (Self { name, child, pid, idle: 0, aside }, BufReader::new(stream).lines())
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Time on a processor since it started, all threads, user and system.
    pub fn cpu(&self) -> Duration {
        processor::used(self.pid)
    }

    /// Resident bytes now that are no file's: its heap and its stacks.
    pub fn own(&self) -> u64 {
        held(self.pid, "RssAnon:")
    }

    /// Resident bytes now.
    pub fn resident(&self) -> u64 {
        held(self.pid, "VmRSS:")
    }

    /// Most resident bytes since [`reset_peak`](Self::reset_peak).
    pub fn peak(&self) -> u64 {
        held(self.pid, "VmHWM:")
    }

    /// Begins anew with [`peak`](Self::peak).
    pub fn reset_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid), RESET_PEAK).unwrap();
    }

    /// Writes an empty line to its stdin.
    pub async fn go_on(&mut self) {
        self.child.stdin.as_mut().expect("it is open until the end").write_all(b"\n").await.unwrap();
    }

    /// Kills it, and waits until it is gone.
    pub async fn end(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Closes its stdin, waits until it ends by itself, and fails when it says it failed.
    pub async fn succeed(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "{} failed: {status}", self.name);
    }
}

/// What was said, but for what nobody would read of a long run.
async fn kept(stderr: ChildStderr) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut kept = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if kept.len() < ASIDE {
            kept += &line;
            kept.push('\n');
        }
    }
    kept
}
