//! A virtual environment with what reads metrics and traces, made once under `target/operations` and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use gantz_tests::binaries;
use tokio::sync::OnceCell;

/// Its interpreter.
pub(crate) async fn python() -> &'static Path {
    static READY: OnceCell<PathBuf> = OnceCell::const_new();
    let made = async { tokio::task::spawn_blocking(make).await.expect("the environment is made") };
    READY.get_or_init(|| made).await
}

/// A file beside the tests.
pub(crate) fn source(name: &str) -> PathBuf {
    binaries::root().join("tests/operations").join(name)
}

/// Several test processes may do this at once: one does, the others wait for it.
fn make() -> PathBuf {
    let this = std::env::current_exe().expect("the test has a path");
    let folder = this.ancestors().nth(3).expect("target/PROFILE/deps/suite").join("operations");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let lock = File::create(folder.join("lock")).expect("the target folder can be written");
    lock.lock().expect("the lock of target/operations");
    let (venv, requirements) = (folder.join("venv"), source("requirements.txt"));
    let (python, stamp) = (venv.join("bin/python"), venv.join("gantz-requirements"));
    let wanted = fs::read(&requirements).expect("the requirements");
    if fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), "apt-get install python3-venv");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(Command::new(&python).args(pip).arg(&requirements), "pip has to reach a package index, such as pypi.org");
        fs::write(&stamp, wanted).expect("the target folder can be written");
    }
    python
}

/// Runs `command`, in this machine's environment: package managers may need its proxies.
fn run(command: &mut Command, hint: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}. {hint}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({}). {hint}\n{said}", output.status);
}
