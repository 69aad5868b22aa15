//! The real binaries, built once a test run in the profile of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the checkout")
}

/// The path of `gantz`.
pub fn gantz() -> PathBuf {
    built().join("gantz")
}

/// The path of `gantz-relay`.
pub fn gantz_relay() -> PathBuf {
    built().join("gantz-relay")
}

/// Builds both binaries, and gives the folder they are in: two levels up from this test's own binary.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let this = std::env::current_exe().expect("the test has a path");
        let folder = this.parent().and_then(Path::parent).expect("target/PROFILE/deps/suite").to_owned();
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            Some(other) => other,
            None => panic!("{} has no profile", folder.display()),
        };
        let target = folder.parent().expect("target/PROFILE");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--bins", "-p", "gantz-agent", "-p", "gantz-relay", "--profile", profile])
            // As the tests themselves have it: with other features it would be built anew for each of both.
            .args(["--features", "gantz-relay/otlp"])
            .arg("--target-dir")
            .arg(target)
            .current_dir(root())
            .status()
            .expect("cargo starts");
        assert!(status.success(), "building the binaries failed");
        folder
    })
}
