//! `gantz login --keyring`, with a real Secret Service: gnome-keyring on a D-Bus of its own. And without any.

use std::process::{Command, Stdio};

use gantz_tests::within;

use crate::login::{User, first};
use crate::process::Cli;
use crate::{Relay, Run};

/// The command in a session with a keyring that is open, or, with an empty one's default collection, locked.
const OPEN: &str = r#"exec dbus-run-session -- bash -c 'printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1 && exec "$@"' bash "$@""#;

/// As [`OPEN`], but nobody has said the password of this session.
const LOCKED: &str = r#"exec dbus-run-session -- bash -c 'gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1 && exec "$@"' bash "$@""#;

/// Installs them where they are missing; by one test only, as apt takes one at a time.
async fn installed() {
    static DONE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    DONE.get_or_init(|| async { tokio::task::spawn_blocking(install).await.unwrap() }).await;
}

fn install() {
    let is_there = || {
        ["gnome-keyring-daemon", "dbus-run-session"].iter().all(|name| {
            let run = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            run.is_ok()
        })
    };
    if is_there() {
        return;
    }
    let mut apt = Command::new("sh");
    apt.args(["-c", "apt-get update && apt-get install -y --no-install-recommends dbus gnome-keyring"]);
    let installed = apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).output();
    let why = match installed {
        Ok(output) if output.status.success() && is_there() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "no keyring: run `apt-get update && apt-get install -y dbus gnome-keyring` as root, then this test again\n{why}"
    );
}

/// In a session of its own; what the keyring keeps is in the user's home.
fn session(user: &User, command: &str, script: &'static str) -> Cli {
    let home = user.home();
    std::fs::create_dir_all(home.join("runtime")).unwrap();
    let path = |name: &str| home.join(name).display().to_string();
    user.types(command).script(script).env("XDG_RUNTIME_DIR", &path("runtime")).env("XDG_DATA_HOME", &path("data"))
}

fn stored(user: &User) -> String {
    std::fs::read_to_string(user.file()).unwrap()
}

#[tokio::test]
async fn a_key_in_the_keyring_is_used_and_forgotten() {
    installed().await;
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    let login = format!("login 127.0.0.1:{} --fingerprint {fingerprint} --profile work", relay.port);
    let keyring = || session(&user, &format!("{login} --keyring"), OPEN).env("GANTZ_KEY", &key.secret);
    let ended = keyring().end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(
        ended.stderr.contains("its key in the system's keyring") && !ended.to_string().contains(&key.secret),
        "{ended}"
    );
    let file = stored(&user);
    assert!(file.contains(r#""keyring": true"#) && !file.contains("gzk_"), "{file}");

    let run = Run::ready(session(&user, "run --auth --demo --json", OPEN).start()).await;
    assert_eq!(run.url.port(), Some(relay.port));
    // What was started is the session: the run in it is asked for its number, and says goodbye.
    let status = session(&user, "status --json", "exec \"$@\"").end().await;
    let status: serde_json::Value = serde_json::from_str(status.stdout.trim()).unwrap();
    let found = status.as_array().map_or(&status, |tunnels| &tunnels[0]);
    let pid = found["pid"].to_string();
    assert!(Command::new("bash").args(["-c", "kill -s INT $0", &pid]).status().unwrap().success(), "{status}");
    assert_eq!(run.running.end().await.code(), Some(0));
    // A key of one's own needs no keyring.
    Run::ready(user.types("run --auth --demo --json").env("GANTZ_KEY", &key.secret).start()).await.leave().await;

    let ended = session(&user, "logout work", OPEN).end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!stored(&user).contains("work"));
    // It is in neither place: a file that says so is not enough.
    std::fs::write(user.file(), &file).unwrap();
    let ended = session(&user, "run --auth --demo --json", OPEN).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("is not there any more"), "{ended}");

    // Logged in to again without, it is in the file, and no more in the keyring.
    assert_eq!(keyring().end().await.code(), Some(0));
    let ended = session(&user, &login, OPEN).env("GANTZ_KEY", &key.secret).end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(stored(&user).contains(&key.secret));
    std::fs::write(user.file(), &file).unwrap();
    let ended = session(&user, "run --auth --demo --json", OPEN).end().await;
    assert!(ended.stderr.contains("is not there any more"), "{ended}");
}

#[tokio::test]
async fn without_a_keyring_it_is_said_what_there_is_instead() {
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    let login = format!("login 127.0.0.1:{} --fingerprint {fingerprint} --keyring", relay.port);
    let ended = user.types(&login).env("GANTZ_KEY", &key.secret).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    let screen: String = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(screen.contains("there is no keyring here"), "{ended}");
    assert!(screen.contains("without --keyring, which keeps it in a file of mode 0600"), "{ended}");
    assert!(!user.file().exists());
}

#[tokio::test]
async fn a_keyring_that_is_locked_is_said_to_be() {
    installed().await;
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    let login = format!("login 127.0.0.1:{} --fingerprint {fingerprint} --keyring", relay.port);
    let ended = session(&user, &login, OPEN).env("GANTZ_KEY", &key.secret).end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    let run = session(&user, "run --auth --demo --json", LOCKED).start();
    let ended = within("a keyring that nobody opens", run.end()).await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("it is locked"), "{ended}");
}
