//! The systemd unit: what systemd itself says of it, without one that runs.

use std::process::{Command, Output};

use gantz_tests::binaries;

use crate::packages;
use crate::readme::Section;

const UNIT: &str = "relay/deploy/systemd/gantz-relay.service";

fn unit() -> String {
    std::fs::read_to_string(binaries::root().join(UNIT)).unwrap()
}

async fn analyze(args: &[&str], unit: &std::path::Path) -> (Output, String) {
    packages::install("systemd-analyze", "systemd").await;
    let output = Command::new("systemd-analyze").args(args).arg(unit).output().unwrap();
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output, said)
}

#[tokio::test]
async fn has_no_mistake_and_little_is_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gantz-relay.service");
    // The program has to be there for it.
    let relay = binaries::gantz_relay();
    std::fs::write(&path, unit().replace("/usr/local/bin/gantz-relay", relay.to_str().unwrap())).unwrap();
    let (output, said) = analyze(&["verify", "--man=no", "--recursive-errors=no"], &path).await;
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
    // In tenths: below 2.0 is what systemd calls OK, and a web server without hardening has 9.2.
    let (output, said) = analyze(&["security", "--offline=true", "--threshold=18", "--no-pager"], &path).await;
    assert!(output.status.success(), "{said}");
}

/// What the README has typed puts things where the unit looks for them.
#[test]
fn the_chapter_and_the_unit_agree() {
    let (unit, commands) = (unit(), Section::of("Without containers").commands().join("\n"));
    for (setting, command) in [
        ("ExecStart=/usr/local/bin/gantz-relay serve", "target/release/gantz-relay /usr/local/bin/"),
        ("EnvironmentFile=/etc/gantz-relay.env", "install -m 600 .env /etc/gantz-relay.env"),
        ("User=gantz-relay", "--shell /usr/sbin/nologin gantz-relay\n"),
        ("StateDirectory=gantz-relay", "--home-dir /var/lib/gantz-relay"),
        ("[Unit]", UNIT),
    ] {
        assert!(unit.contains(setting) && commands.contains(command), "{setting}: {command}");
    }
}
