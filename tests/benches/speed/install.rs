//! The other programs that a run compares gantz with: where they are, and how they get there.
//!
//! What is missing is installed by `tests/benches/peers`, the script that does the same by hand. Where that fails the run
//! goes on without the row, and says why.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantz_tests::binaries;
use serde_json::{Map, Value};

/// Those that are wanted, and where each is, or why not.
#[derive(Debug)]
pub(crate) struct Peers(Vec<(&'static str, Found)>);

/// A program's path, or why there is none.
type Found = Result<PathBuf, String>;

impl Peers {
    /// Each has a name, and what somebody may have said where it is; installs what it may and has to.
    pub(crate) fn find(wanted: &[(&'static str, &Path)], may_install: bool) -> Self {
        Self(wanted.iter().map(|(name, program)| (*name, find(name, program, may_install))).collect())
    }

    /// Of these rows, those that there are.
    pub(crate) fn present(&self, rows: Vec<&'static str>) -> Vec<&'static str> {
        rows.into_iter().filter(|row| !self.missing().any(|(missing, _)| missing == *row)).collect()
    }

    /// The path of one that is present.
    pub(crate) fn program(&self, row: &str) -> &Path {
        let found = self.0.iter().find_map(|(name, found)| (*name == row).then_some(found.as_ref().ok()?));
        found.unwrap_or_else(|| panic!("{row} is not present"))
    }

    /// What each that is present says of itself.
    pub(crate) fn versions(&self) -> Value {
        let present = self.0.iter().filter_map(|(name, found)| Some((*name, found.as_ref().ok()?)));
        present.map(|(name, program)| (name.to_owned(), version(name, program).into())).collect::<Map<_, _>>().into()
    }

    /// Those that there are not, and why.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().filter_map(|(name, found)| Some((*name, found.as_ref().err()?.as_str())))
    }
}

fn find(name: &str, program: &Path, may_install: bool) -> Found {
    if program.components().count() > 1 {
        return program.canonicalize().map_err(|error| format!("{}: {error}", program.display()));
    }
    if let Some(path) = look(program) {
        return Ok(path);
    }
    if !may_install {
        return Err("not installed (tests/benches/peers installs it)".to_owned());
    }
    install(name)?;
    look(program).ok_or_else(|| format!("tests/benches/peers {name} has installed it where it is not looked for"))
}

/// The word with a digit in front of a dot: each says it among others, and nginx on stderr.
fn version(name: &str, program: &Path) -> String {
    let flag = if name == "nginx" { "-v" } else { "--version" };
    let output = Command::new(program).arg(flag).output();
    let output = output.unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let mut words = said.split_whitespace().map(|word| word.trim_start_matches("nginx/"));
    let is_version = |word: &&str| word.split_once('.').is_some_and(|(first, _)| first.parse::<u32>().is_ok());
    words.find(is_version).unwrap_or("unknown").to_owned()
}

/// In a folder of `PATH`, or where `tests/benches/peers` installs it.
fn look(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([binaries::root().join("target/tools/bin"), "/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn install(name: &str) -> Result<(), String> {
    let script = binaries::root().join("tests/benches/peers");
    eprintln!("{name} is not there: installing it (--no-install leaves it out)");
    // What it prints is for people to see, and its last line is the reason when it fails.
    let mut child = Command::new(script)
        .arg(name)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("tests/benches/peers does not start: {error}"))?;
    let mut last = String::new();
    for line in BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok) {
        eprintln!("{line}");
        if !line.trim().is_empty() {
            last = line;
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("tests/benches/peers {name} failed: {}", last.trim())),
        Err(error) => Err(format!("tests/benches/peers {name}: {error}")),
    }
}
