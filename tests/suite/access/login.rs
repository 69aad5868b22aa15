//! `gantz login`: a relay and its key are tried out, kept, used and forgotten.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::process::Cli;
use crate::{Folder, Key, Relay, Run, gantz};

/// A user's home.
pub(crate) struct User(Folder);

impl User {
    pub(crate) fn new() -> Self {
        Self(Folder::new())
    }

    pub(crate) fn types(&self, command: &str) -> Cli {
        gantz(command).within(&self.0)
    }

    /// The folder that it is in.
    pub(crate) fn home(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("config/gantz/relays.json")
    }

    async fn logs_in(&self, relay: &Relay, key: &Key, fingerprint: &str, flags: &str) {
        let login = format!("login 127.0.0.1:{} --fingerprint {fingerprint} {flags}", relay.port);
        let ended = self.types(&login).env("GANTZ_KEY", &key.secret).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(!ended.to_string().contains(&key.secret), "{ended}");
    }
}

/// What the first start has said.
pub(crate) async fn first(relay: &mut Relay) -> (Key, String) {
    let line = relay.running.stdout.line("gantz login").await;
    let after = |flag: &str| line.split_once(flag).unwrap().1.split(' ').next().unwrap().to_owned();
    (Key { id: String::new(), secret: after("--key ") }, after("--fingerprint "))
}

#[tokio::test]
async fn what_is_stored_is_used_and_then_forgotten() {
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    user.logs_in(&relay, &key, &fingerprint, "").await;
    assert_eq!(std::fs::metadata(user.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let run = Run::ready(user.types("run --auth --demo --json").start()).await;
    assert_eq!(run.url.port(), Some(relay.port));
    run.leave().await;
    // The relay that is named is the one that the key is for.
    let named = format!("run --auth --demo --json --relay 127.0.0.1:{}", relay.port);
    Run::ready(user.types(&named).start()).await.leave().await;
    // A key of one's own is heard before the one that is stored.
    let ended = user.types("run --auth --demo --json").env("GANTZ_KEY", "gzk_another").end().await;
    assert_eq!(ended.code(), Some(3), "{ended}");

    let ended = user.types("logout").end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!std::fs::read_to_string(user.file()).unwrap().contains("gzk_"));
    let ended = user.types(&named).end().await;
    assert_eq!(ended.code(), Some(4), "its authority is not believed any more: {ended}");
    assert_eq!(user.types("logout").end().await.code(), Some(2));
}

#[tokio::test]
async fn what_does_not_work_is_not_stored() {
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    let address = format!("127.0.0.1:{}", relay.port);
    let other = fingerprint.chars().rev().collect::<String>();
    let nobody = format!("login 127.0.0.1:{} --transport tcp", gantz_tests::lasting_port());
    for (command, secret, code) in [
        (format!("login {address} --fingerprint {fingerprint}"), "gzk_wrong", 3),
        (format!("login {address} --fingerprint {other}"), &*key.secret, 4),
        // The system's authorities do not know it.
        (format!("login {address}"), &*key.secret, 4),
        (nobody, &*key.secret, 4),
        (format!("login {address} --fingerprint AB:CD"), &*key.secret, 2),
    ] {
        let ended = user.types(&command).env("GANTZ_KEY", secret).end().await;
        assert_eq!(ended.code(), Some(code), "{command}: {ended}");
        assert!(!ended.to_string().contains(secret), "{ended}");
        assert!(!user.file().exists(), "{command}");
    }
    // Whoever is not the relay is not told the key, and the relay had nothing to refuse but the wrong one.
    let log = relay.running.stderr.now();
    assert_eq!(log.matches("agent refused").count(), 1, "{log}");
}

#[tokio::test]
async fn the_key_can_come_over_the_standard_input() {
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    user.0.write("key", &format!("{}\n", key.secret));
    let login = format!("login 127.0.0.1:{} --fingerprint {fingerprint}", relay.port);
    let ended = user.types(&login).script(r#""$@" <key"#).end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(std::fs::read_to_string(user.file()).unwrap().contains(&key.secret));
    // Nothing at all is no key.
    assert_eq!(user.types(&login).end().await.code(), Some(2));
}

#[tokio::test]
async fn several_relays_are_profiles() {
    let (mut home, mut work) = (Relay::start().await, Relay::start().await);
    let ((home_key, home_ca), (work_key, work_ca)) = (first(&mut home).await, first(&mut work).await);
    let user = User::new();
    user.logs_in(&home, &home_key, &home_ca, "--profile home").await;
    user.logs_in(&work, &work_key, &work_ca, "--profile work").await;
    for (flags, relay) in [("", &work), ("--profile home", &home), ("--profile work", &work)] {
        let run = Run::ready(user.types(&format!("run --auth --demo --json {flags}")).start()).await;
        assert_eq!(run.url.port(), Some(relay.port), "{flags}");
        run.leave().await;
    }
    let run = Run::ready(user.types("run --auth --demo --json").env("GANTZ_PROFILE", "home").start()).await;
    assert_eq!(run.url.port(), Some(home.port));
    run.leave().await;
    // A relay inside the process is what --local-listen asks for.
    let run = Run::ready(user.types("run --auth --demo --json --local-listen 127.0.0.1:0").start()).await;
    assert_eq!(run.url.host_str(), Some("localhost"));
    run.leave().await;
    let ended = user.types("run --auth --demo --profile nobody").end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(ended.stderr.contains("home, work"), "{ended}");
    let both = user.types("run --auth --demo --profile home --relay relay.test").end().await;
    assert_eq!(both.code(), Some(2), "{both}");

    assert_eq!(user.types("logout work").end().await.code(), Some(0));
    let run = Run::ready(user.types("run --auth --demo --json").start()).await;
    assert_eq!(run.url.port(), Some(home.port), "the one that is left");
    run.leave().await;
}

#[tokio::test]
async fn a_key_whose_tunnels_are_all_open_is_a_key() {
    let mut relay = Relay::start().await;
    let (_, fingerprint) = first(&mut relay).await;
    let key = relay.key("--label alice --tunnels 1").await;
    let run = relay.open(&key, "").await;
    User::new().logs_in(&relay, &key, &fingerprint, "").await;
    run.leave().await;
}

#[tokio::test]
async fn a_file_that_others_can_read_is_not_used() {
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    user.logs_in(&relay, &key, &fingerprint, "").await;
    std::fs::set_permissions(user.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ended = user.types("run --auth --demo").end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("others may read it"), "{ended}");
}

/// Types `$TYPED` at a terminal as soon as that shows nothing any more; on stdout is what it has shown, and how the command
/// ended.
const TYPED: &str = r#"exec python3 - "$@" <<'END'
import os, pty, select, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
def read_until(marker):
    global seen
    while marker not in seen:
        ready, _, _ = select.select([terminal], [], [], 30)
        if not ready:
            sys.exit("nothing came: %r" % seen)
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            return
read_until(b"Access Key")
while termios.tcgetattr(terminal)[3] & termios.ECHO:
    select.select([], [], [], 0.01)
os.write(terminal, os.environ["TYPED"].encode())
read_until(b"never comes, so to the end")
_, status = os.waitpid(pid, 0)
print(seen.decode())
print("END", os.waitstatus_to_exitcode(status))
END"#;

#[tokio::test]
async fn a_key_that_is_typed_is_not_shown() {
    let mut relay = Relay::start().await;
    let (key, fingerprint) = first(&mut relay).await;
    let user = User::new();
    let login = format!("login 127.0.0.1:{} --fingerprint {fingerprint}", relay.port);
    let ended = user.types(&login).env("TYPED", &format!("{}\r", key.secret)).script(TYPED).end().await;
    assert!(ended.stdout.contains("END 0") && ended.stdout.contains("logged in to"), "{ended}");
    assert!(!ended.to_string().contains(&key.secret[4..]), "{ended}");
    assert!(std::fs::read_to_string(user.file()).unwrap().contains(&key.secret));
    // Ctrl-C.
    let ended = user.types(&login).env("TYPED", "half a key\x03").script(TYPED).end().await;
    assert!(ended.stdout.contains("END 130") && !ended.stdout.contains("half"), "{ended}");
}
