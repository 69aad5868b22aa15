//! The other processes of a run are this same program, in a role: each is told on its stdin what to do, a command a line,
//! and says on its stdout what came of it, a JSON object a line; of what takes its time, more than one. It ends with its stdin.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// How long anything that was asked for may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A process in a role. Dropped, it is killed.
pub(crate) struct Role {
    name: &'static str,
    pid: u32,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Role {
    /// Starts this program as `name`, and gives what it says first.
    pub(crate) async fn start(name: &'static str, args: &[&str]) -> (Self, Value) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(name).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut role = Self {
            name,
            pid: child.id().expect("it was not awaited yet"),
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        };
        let first = role.hear().await;
        (role, first)
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Has it do this, and gives what came of it.
    pub(crate) async fn ask(&mut self, command: &str) -> Value {
        use tokio::io::AsyncWriteExt;
        self.stdin.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        self.hear().await
    }

    /// What it says next.
    pub(crate) async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{} says nothing", self.name)).unwrap();
        let line = line.unwrap_or_else(|| panic!("{} has ended", self.name));
        serde_json::from_str(&line).unwrap()
    }
}

/// In a role: what it is told. The channel ends with stdin.
pub(crate) fn commands() -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if tell.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    told
}

/// In a role: what came of it.
pub(crate) fn say(value: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).unwrap();
}
