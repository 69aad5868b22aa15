//! What the clients and servers in Python and TypeScript need, made once under `target/e2e` and kept for the next run.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use gantz_tests::binaries;
use tokio::sync::OnceCell;

/// Marks a folder as whole; holds the hash of the files that say what is in it.
const STAMP: &str = "gantz-stamp";

/// The environments, ready to use.
pub(crate) struct Environments {
    folder: PathBuf,
}

impl Environments {
    /// The Python of the environment with the SDK's 1.x (`v1`) or 2.x line (`v2`).
    pub(crate) fn python(&self, line: &str) -> PathBuf {
        self.folder.join(format!("venv-{line}/bin/python"))
    }

    /// A script in Python.
    pub(crate) fn python_script(&self, name: &str) -> PathBuf {
        sources("python").join(name)
    }

    /// A script in JavaScript, beside its packages.
    pub(crate) fn node_script(&self, name: &str) -> PathBuf {
        self.folder.join("node").join(name)
    }
}

/// Makes what is missing. It can take minutes, on a thread of its own: clients that are already running have deadlines.
pub(crate) async fn environments() -> &'static Environments {
    static READY: OnceCell<Environments> = OnceCell::const_new();
    let made = async { tokio::task::spawn_blocking(make).await.expect("the environments are made") };
    READY.get_or_init(|| made).await
}

/// Several test processes may do this at once: one does, the others wait for it.
fn make() -> Environments {
    let this = std::env::current_exe().expect("the test has a path");
    let target = this.ancestors().nth(3).expect("target/PROFILE/deps/suite");
    let folder = target.join("e2e");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let lock = File::create(folder.join("lock")).expect("the target folder can be written");
    lock.lock().expect("the lock of target/e2e");
    for line in ["v1", "v2"] {
        python(&folder.join(format!("venv-{line}")), &sources("python").join(format!("requirements-{line}.txt")));
    }
    node(&folder.join("node"), &sources("typescript"));
    Environments { folder }
}

/// The sources of the clients and servers.
fn sources(language: &str) -> PathBuf {
    binaries::root().join("tests/e2e").join(language)
}

fn python(venv: &Path, requirements: &Path) {
    let wanted = hash(&[requirements]);
    if is_stamped(venv, wanted) {
        return;
    }
    run(
        Command::new("python3").args(["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]),
        "Python 3.11 or newer as `python3` is needed: apt-get install python3",
    );
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv),
        "Python's venv module is needed: apt-get install python3-venv",
    );
    run(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements),
        "pip has to reach a package index, such as pypi.org",
    );
    stamp(venv, wanted);
}

fn node(folder: &Path, sources: &Path) {
    fs::create_dir_all(folder).expect("target/e2e can be written");
    for source in fs::read_dir(sources).expect("tests/e2e/typescript") {
        let source = source.expect("tests/e2e/typescript").path();
        let copy = folder.join(source.file_name().expect("a file"));
        // Another test process may be running this very script: it is written only when it has changed.
        let text = fs::read(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        if fs::read(&copy).ok().as_ref() != Some(&text) {
            fs::write(&copy, text).unwrap_or_else(|error| panic!("{}: {error}", copy.display()));
        }
    }
    let wanted = hash(&[&sources.join("package.json"), &sources.join("package-lock.json")]);
    if is_stamped(folder, wanted) {
        return;
    }
    run(
        Command::new("node").args([
            "-e",
            "const [a, b] = process.versions.node.split('.'); process.exit(a > 20 || (a == 20 && b >= 18) ? 0 : 1)",
        ]),
        "Node 20.18 or newer is needed: apt-get install nodejs, or from nodejs.org where that one is older",
    );
    run(
        Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder),
        "npm is needed (apt-get install npm) and has to reach a package registry, such as npmjs.com",
    );
    stamp(folder, wanted);
}

/// Runs `command`, in this machine's environment: package managers may need its proxies. Fails with its words and
/// `hint`.
fn run(command: &mut Command, hint: &str) {
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "{command:?} failed ({}). {hint}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("{command:?} does not start: {error}. {hint}"),
    }
}

fn hash(files: &[&Path]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).hash(&mut hasher);
    }
    hasher.finish()
}

fn is_stamped(folder: &Path, wanted: u64) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|stamp| stamp == format!("{wanted:016x}"))
}

fn stamp(folder: &Path, wanted: u64) {
    fs::write(folder.join(STAMP), format!("{wanted:016x}")).expect("target/e2e can be written");
}
