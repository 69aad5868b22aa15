//! A Docker engine with the compose plugin: the one of this machine, or, where none runs, one that the test starts.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use gantz_tests::within;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::packages;

/// How long a command may take: a whole release build on a small machine.
const COMMAND: Duration = Duration::from_secs(20 * 60);

/// What Debian calls `docker compose` is a program of its own.
const SHIM: &str = r#"#!/bin/sh
if [ "$1" = compose ] && ! "$DOCKER" compose version >/dev/null 2>&1; then
    shift
    exec docker-compose "$@"
fi
exec "$DOCKER" "$@"
"#;

/// See the module's head. Dropped, an engine of its own ends with its containers.
pub(crate) struct Engine {
    host: String,
    shims: TempDir,
    docker: PathBuf,
    own: Option<Child>,
}

impl Engine {
    /// With data in `folder`, so that the next run finds what was built.
    pub(crate) async fn start(folder: &Path) -> Self {
        packages::install("dockerd", "docker.io docker-compose debootstrap").await;
        let shims = tempfile::tempdir().unwrap();
        let shim = shims.path().join("docker");
        std::fs::write(&shim, SHIM).unwrap();
        std::fs::set_permissions(&shim, PermissionsExt::from_mode(0o755)).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let docker = std::env::split_paths(&path).map(|folder| folder.join("docker")).find(|docker| docker.is_file());
        let mut engine = Self {
            host: "unix:///var/run/docker.sock".into(),
            docker: docker.expect("docker.io brings docker"),
            own: None,
            shims,
        };
        if !engine.tries("docker version").await {
            engine.start_own(folder).await;
        }
        engine
    }

    async fn start_own(&mut self, folder: &Path) {
        // Paths of sockets are short.
        let sockets = self.shims.path();
        self.host = format!("unix://{}", sockets.join("engine.sock").display());
        let log = std::fs::File::create(folder.join("dockerd.log")).unwrap();
        let mut dockerd = Command::new("setpriv");
        // Should this process be killed, it goes as well.
        dockerd.args(["--pdeathsig", "TERM", "dockerd", "--host", &self.host]);
        dockerd.arg("--data-root").arg(folder.join("docker"));
        dockerd.arg("--exec-root").arg(sockets.join("run")).arg("--pidfile").arg(sockets.join("pid"));
        dockerd.env("PATH", self.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = dockerd.spawn().unwrap();
        within("an engine that answers", async {
            while !self.tries("docker version").await {
                if let Some(status) = child.try_wait().unwrap() {
                    let log = std::fs::read_to_string(folder.join("dockerd.log")).unwrap_or_default();
                    panic!("dockerd has ended ({status}); this suite needs root on Linux\n{log}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        self.own = Some(child);
        // Containers of a run that was cut off come back with their engine, and have the ports.
        self.runs("docker ps --all --quiet | xargs --no-run-if-empty docker rm --force").await;
    }

    fn path(&self) -> std::ffi::OsString {
        let mut path = self.shims.path().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        path.push(":/usr/sbin:/sbin");
        path
    }

    /// What is typed in `folder`.
    pub(crate) async fn types(&self, folder: &Path, command: &str) -> Output {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", command])
            .current_dir(folder)
            .env("PATH", self.path())
            .env("DOCKER", &self.docker)
            .env("DOCKER_HOST", &self.host)
            .env("DOCKER_CONFIG", self.shims.path().join("config"))
            .env("COMPOSE_PROJECT_NAME", format!("gantz-test-{}", std::process::id()))
            // The builder that every engine has.
            .env("DOCKER_BUILDKIT", "0")
            .env("COMPOSE_DOCKER_CLI_BUILD", "0")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let begun = Instant::now();
        let output = tokio::time::timeout(COMMAND, bash.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{command}: not within {COMMAND:?}")).unwrap();
        eprintln!("{:>6.1} s  {}", begun.elapsed().as_secs_f32(), command.trim().lines().last().unwrap_or_default());
        output
    }

    /// What has to succeed: its standard output.
    pub(crate) async fn says(&self, folder: &Path, command: &str) -> String {
        let output = self.types(folder, command).await;
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "$ {command}\n{stdout}\n{stderr}");
        stdout
    }

    /// What has to succeed, wherever it is typed.
    pub(crate) async fn runs(&self, command: &str) -> String {
        self.says(self.shims.path(), command).await
    }

    /// Whether it succeeds.
    pub(crate) async fn tries(&self, command: &str) -> bool {
        self.types(self.shims.path(), command).await.status.success()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(mut own) = self.own.take() else { return };
        let Some(id) = own.id() else { return };
        // It ends its containers, and takes a moment for that.
        let _ = std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
        let begun = Instant::now();
        while matches!(own.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
