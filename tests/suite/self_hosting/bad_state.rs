//! State folders that a relay cannot serve with: clear words, and nothing is made anew in silence.

use std::os::unix::fs::PermissionsExt;

use gantz_tests::binaries;

use crate::process::Cli;
use crate::{Ended, Folder, Relay, gantz_relay};

fn serve(folder: &Folder) -> Cli {
    let flags = "serve --domain relay.test --tls off --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --state-dir state";
    gantz_relay(flags).within(folder)
}

async fn refused(folder: &Folder, words: &[&str]) -> Ended {
    let ended = serve(folder).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    let screen = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in words {
        assert!(screen.contains(words), "{words:?}: {ended}");
    }
    assert_eq!(ended.stdout, "", "no key is made");
    ended
}

/// The state of a relay that has run.
async fn used() -> Folder {
    let relay = Relay::start().await;
    relay.key("--label alice").await;
    relay.running.signal("TERM").await;
    let (running, folder) = (relay.running, relay.folder);
    assert_eq!(running.end().await.code(), Some(0));
    folder
}

#[tokio::test]
async fn a_database_of_a_newer_version() {
    let folder = used().await;
    let database = folder.path().join("state/access.db");
    let mut bytes = std::fs::read(&database).unwrap();
    // `PRAGMA user_version`, https://www.sqlite.org/fileformat.html §1.3.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, &bytes).unwrap();
    refused(&folder, &["access.db: a newer gantz-relay has written it (form 99)", "that gantz-relay, or a later one"])
        .await;
    assert_eq!(std::fs::read(&database).unwrap(), bytes, "it is left alone");
}

#[tokio::test]
async fn a_database_that_was_cut_off() {
    let folder = used().await;
    let database = folder.path().join("state/access.db");
    let whole = std::fs::read(&database).unwrap();
    for length in [0, 60, 4096, whole.len() - 4096, whole.len() - 1] {
        std::fs::write(&database, &whole[..length]).unwrap();
        refused(&folder, &["error: cannot use the access keys", "access.db", "gantz-relay restore"]).await;
        assert_eq!(std::fs::read(&database).unwrap(), whole[..length], "{length} bytes are left alone");
    }
    std::fs::write(&database, &whole).unwrap();
    let mut running = serve(&folder).start();
    running.stderr.line("relay serves").await;
}

/// As somebody who may not: root may write everywhere.
#[tokio::test]
async fn a_folder_that_may_not_be_written_to() {
    let folder = Folder::new();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    for path in [folder.path(), &state] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o555)).unwrap();
    }
    let relay = folder.path().join("gantz-relay");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy(binaries::gantz_relay(), &relay).unwrap();
    let ended = serve(&folder)
        .script(r#"shift; command=(./gantz-relay "$@"); [ "$(id -u)" = 0 ] && command=(setpriv --reuid=65534 --regid=65534 --clear-groups "${command[@]}"); exec "${command[@]}""#)
        .end()
        .await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    let screen = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "error: cannot use the state folder",
        "Permission denied",
        "a folder that this user may write to with --state-dir",
    ] {
        assert!(screen.contains(words), "{words:?}: {ended}");
    }
}
