//! Runs a binary in a folder and an environment of its own, and looks at what it prints.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use gantz_tests::{binaries, within};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A folder that a process runs in, with its home inside; gone with its last user.
#[derive(Clone)]
pub(crate) struct Folder(Arc<TempDir>);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders it is in.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// What is to be run.
pub(crate) struct Cli {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    folder: Folder,
    script: Option<&'static str>,
}

/// `gantz` with arguments that are written as in a shell without quotes.
pub(crate) fn gantz(args: &str) -> Cli {
    Cli::new(binaries::gantz(), args)
}

/// `gantz-relay`, likewise.
pub(crate) fn gantz_relay(args: &str) -> Cli {
    Cli::new(binaries::gantz_relay(), args)
}

impl Cli {
    fn new(program: PathBuf, args: &str) -> Self {
        let args = args.split_whitespace().map(str::to_owned).collect();
        Self { program, args, env: Vec::new(), folder: Folder::new(), script: None }
    }

    /// One argument more, whatever is in it.
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs in this folder.
    pub(crate) fn within(mut self, folder: &Folder) -> Self {
        self.folder = folder.clone();
        self
    }

    /// With this file in its folder.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.folder.write(path, text);
        self
    }

    /// Runs it by way of `bash -c SCRIPT`, where `"$@"` is the command.
    pub(crate) fn script(mut self, script: &'static str) -> Self {
        self.script = Some(script);
        self
    }

    fn command(&self) -> Command {
        let mut command = match self.script {
            Some(script) => {
                let mut bash = Command::new("bash");
                bash.args(["-c", script, "bash"]).arg(&self.program);
                bash
            }
            None => Command::new(&self.program),
        };
        command
            .args(&self.args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("LANG", "C")
            // The width that help is wrapped at where no terminal says another.
            .env("COLUMNS", "80")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let mut child = self.command().spawn().unwrap();
        let stdout = Output::read(child.stdout.take().unwrap());
        let stderr = Output::read(child.stderr.take().unwrap());
        Running { child, stdout, stderr, _folder: self.folder }
    }

    /// Runs it to its end, which has to have this exit code: what was typed and what came.
    pub(crate) async fn screen(self, code: i32) -> String {
        let name = self.program.file_name().unwrap().to_string_lossy().into_owned();
        let command = format!("$ {name} {}", self.args.join(" "));
        let ended = self.end().await;
        let screen = format!("{}\n{ended}", command.trim_end());
        assert_eq!(ended.code(), Some(code), "{screen}");
        screen
    }

    /// Runs it to its end.
    pub(crate) async fn end(self) -> Ended {
        self.start().end().await
    }
}

/// A running process. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    _folder: Folder,
}

impl Running {
    /// Its process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let sent = Command::new("bash").args(["-c", r#"kill -s "$0" "$1""#, name, &pid]).status().await.unwrap();
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ended {
        let status = within("the end of the process", self.child.wait()).await.unwrap();
        Ended { stdout: self.stdout.all().await, stderr: self.stderr.all().await, status }
    }
}

/// How a process ended.
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    status: ExitStatus,
}

impl Ended {
    /// The exit code, if no signal killed it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "[{name}]\n{}", text.trim_end_matches('\n'))?;
            }
        }
        write!(f, "[exit {}]", self.code().map_or("by a signal".into(), |code| code.to_string()))
    }
}

/// What came on a stream so far.
pub(crate) struct Output {
    text: watch::Receiver<String>,
    reader: JoinHandle<()>,
}

impl Output {
    fn read(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, text) = watch::channel(String::new());
        let reader = tokio::spawn(async move {
            let mut bytes = Vec::new();
            while stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
                sender.send_replace(String::from_utf8_lossy(&bytes).into_owned());
            }
        });
        Self { text, reader }
    }

    /// What came so far.
    pub(crate) fn now(&self) -> String {
        self.text.borrow().clone()
    }

    /// Waits for a line that has `marker`, and gives it.
    pub(crate) async fn line(&mut self, marker: &str) -> String {
        let find = |text: &str| {
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().find(|line| line.contains(marker)).map(str::to_owned)
        };
        let seen = within(marker, self.text.wait_for(|text| find(text).is_some())).await;
        let found = seen.map(|text| find(&text).unwrap());
        match found {
            Ok(line) => line,
            Err(_) => panic!("no line with {marker:?} came:\n{}", self.now()),
        }
    }

    async fn all(self) -> String {
        within("the end of the output", self.reader).await.unwrap();
        self.text.borrow().clone()
    }
}
