//! Child processes: started in an environment of the suite's own, everything they write is kept, gone with their handle.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use gantz_tests::within;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A command that gets nothing of this machine's environment but where programs are: proxies, certificate
/// authorities and settings of gantz would make a run something else. `home` is its home and working folder.
pub(crate) fn command(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// A running process.
pub(crate) struct Process {
    name: String,
    child: Child,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Process {
    /// Starts `command`.
    pub(crate) fn start(name: impl Into<String>, mut command: Command) -> Self {
        let name = name.into();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Self { name, child, stdout, stderr }
    }

    /// The first line of stdout that `found` accepts, as what it makes of it.
    pub(crate) async fn line_of_stdout<T>(&mut self, found: impl Fn(&str) -> Option<T>) -> T {
        match within(&self.name, self.stdout.line(found)).await {
            Some(found) => found,
            None => panic!("{} never said it was ready:\n{}", self.name, self.stderr.tail()),
        }
    }

    /// The same of stderr.
    pub(crate) async fn line_of_stderr<T>(&mut self, found: impl Fn(&str) -> Option<T>) -> T {
        match within(&self.name, self.stderr.line(found)).await {
            Some(found) => found,
            None => panic!("{} never said it was ready:\n{}", self.name, self.stderr.tail()),
        }
    }

    /// Waits for its end and for the last of what it wrote.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = self.child.wait().await.unwrap();
        self.stdout.ended().await;
        self.stderr.ended().await;
        status
    }

    /// SIGTERM, and then [`ended`](Self::ended).
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let id = self.child.id().unwrap_or_else(|| panic!("{} has ended:\n{}", self.name, self.stderr.tail()));
        let killed = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await.unwrap();
        assert!(killed.success(), "{} cannot be stopped", self.name);
        within(&format!("the end of {}", self.name), self.ended()).await
    }
}

/// What a process has written to one of its streams so far.
pub(crate) struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    length: watch::Receiver<usize>,
    reading: Option<JoinHandle<()>>,
}

impl Output {
    fn of(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (grown, length) = watch::channel(0);
        let kept = bytes.clone();
        let reading = tokio::spawn(async move {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                let length = {
                    let mut kept = kept.lock().unwrap();
                    kept.extend_from_slice(&chunk[..read]);
                    kept.len()
                };
                grown.send_replace(length);
            }
        });
        Self { bytes, length, reading: Some(reading) }
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// The last of it, for the message of a failure.
    pub(crate) fn tail(&self) -> String {
        let bytes = self.bytes();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4000)..]).into_owned()
    }

    /// The first line that `found` accepts; `None` when the stream ends before.
    async fn line<T>(&mut self, found: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut begin = 0;
        loop {
            let bytes = self.bytes();
            while let Some(length) = bytes[begin..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&bytes[begin..begin + length]);
                if let Some(found) = found(&line) {
                    return Some(found);
                }
                begin += length + 1;
            }
            // An error is the end of the stream. What came between the look and this wait counts as a change.
            if *self.length.borrow_and_update() == bytes.len() {
                self.length.changed().await.ok()?;
            }
        }
    }

    async fn ended(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.await.unwrap();
        }
    }
}
