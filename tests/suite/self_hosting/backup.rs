//! `gantz-relay backup` and `restore`, beside a relay that runs.

use std::os::unix::fs::PermissionsExt;

use crate::{Folder, Relay, gantz_relay};

/// What a relay is itself by, after a restart.
const ITSELF: [&str; 4] = ["admin.token", "ca.pem", "ca.key", "ticket.key"];

#[tokio::test]
async fn a_backup_of_a_busy_relay_is_that_relay_elsewhere() {
    let relay = Relay::start().await;
    let alice = relay.key("--label alice").await;
    let run = relay.open(&alice, "--name alice-tools").await;
    // Others make keys meanwhile; what is read is one moment.
    let (backup, ()) = tokio::join!(relay.operator("backup backup.tar"), async {
        for number in 0..5 {
            relay.key(&format!("--label meanwhile-{number}")).await;
        }
    });
    assert_eq!(backup.code(), Some(0), "{backup}");
    let file = relay.folder.path().join("backup.tar");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let ended = relay.operator("backup backup.tar").await;
    assert!(ended.code() == Some(1) && ended.stderr.contains("a file that is not there yet"), "{ended}");

    let elsewhere = Folder::new();
    std::fs::copy(&file, elsewhere.path().join("backup.tar")).unwrap();
    let restore = gantz_relay("restore backup.tar --state-dir state").within(&elsewhere).end().await;
    assert_eq!(restore.code(), Some(0), "{restore}");
    for name in ITSELF {
        let [was, is] =
            [&relay.folder, &elsewhere].map(|folder| std::fs::read(folder.path().join("state").join(name)).unwrap());
        assert_eq!(was, is, "{name}");
    }
    assert!(!elsewhere.path().join("state/audit").exists());

    // The first is gone, and the other one is in its place.
    let port = relay.port;
    relay.running.signal("KILL").await;
    assert_eq!(relay.running.end().await.code(), None);
    let relay = Relay::start_again(port, elsewhere, "").await;
    gantz_tests::within("the agent's return", async {
        while !run.get("/healthz").send().await.is_ok_and(|answer| answer.status().as_u16() < 500) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(relay.running.stdout.now(), "", "it has keys, and makes no first one");
    let names = relay.told("names list").await;
    assert_eq!(names[0]["name"], "alice-tools", "{names}");
    run.leave().await;
    relay.open(&alice, "--name alice-tools").await.leave().await;
    let ended = relay.operator("restore ../backup.tar").await;
    assert_eq!(ended.code(), Some(1), "{ended}");
}

#[tokio::test]
async fn by_way_of_pipes() {
    let relay = Relay::start().await;
    let piped = r#""$@" backup - --state-dir state | "$@" restore - --state-dir other"#;
    let ended = gantz_relay("").within(&relay.folder).script(piped).end().await;
    assert_eq!((ended.code(), &*ended.stdout), (Some(0), "Restored into other.\n"), "{ended}");
    let [was, is] =
        ["state", "other"].map(|name| std::fs::read(relay.folder.path().join(name).join("ca.key")).unwrap());
    assert_eq!(was, is);
}

#[tokio::test]
async fn what_is_no_whole_backup_leaves_nothing_behind() {
    let relay = Relay::start().await;
    let backup = relay.operator("backup backup.tar").await;
    assert_eq!(backup.code(), Some(0), "{backup}");
    let whole = std::fs::read(relay.folder.path().join("backup.tar")).unwrap();
    let folder = Folder::new();
    let restored = async |bytes: &[u8], words: &str| {
        std::fs::write(folder.path().join("backup.tar"), bytes).unwrap();
        let ended = gantz_relay("restore backup.tar --state-dir state").within(&folder).end().await;
        assert_eq!(ended.code(), Some(1), "{ended}");
        let screen = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(screen.starts_with("error: nothing was restored") && screen.contains(words), "{words}: {ended}");
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 0, "{words}");
    };
    restored(b"", "this is no backup of gantz-relay").await;
    restored(&[b'x'; 4096], "this is no backup of gantz-relay").await;
    // Between two entries, within one, within a head.
    for length in [1024, 1536, whole.len() / 2, whole.len() / 2 / 512 * 512, whole.len() - 2048] {
        restored(&whole[..length], "the end of the backup is missing").await;
    }
    let mut damaged = whole.clone();
    let database = whole.windows(16).position(|window| window == b"SQLite format 3\0").unwrap();
    damaged[database + 100..database + 3000].fill(0xff);
    restored(&damaged, "access.db: ").await;
    let mut newer = whole.clone();
    newer[database + 60..database + 64].copy_from_slice(&99_u32.to_be_bytes());
    restored(&newer, "a newer gantz-relay has written it (form 99)").await;
    let ended = gantz_relay("backup x.tar --state-dir nowhere").within(&folder).end().await;
    assert!(ended.code() == Some(1) && ended.stderr.contains("no relay has kept its state"), "{ended}");
    assert!(!folder.path().join("x.tar").exists());
}

/// It would be in itself, and in each later one, until one is too large to be restored.
#[tokio::test]
async fn a_backup_is_not_put_into_what_it_is_made_of() {
    let relay = Relay::start().await;
    let state = relay.folder.path().join("state");
    std::os::unix::fs::symlink("state", relay.folder.path().join("link")).unwrap();
    for file in ["state/backup.tar", "link/../state/acme.tar", "link/backup.tar"] {
        let ended = relay.operator(&format!("backup {file}")).await;
        assert_eq!(ended.code(), Some(1), "{ended}");
        let screen = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["error: there is no backup", "is in the state folder itself", "try: a FILE elsewhere"] {
            assert!(screen.contains(words), "{words}: {ended}");
        }
        assert!(!relay.folder.path().join(file).exists(), "{file}");
    }
    let redirected = r#""$@" backup - --state-dir state > state/redirected.tar"#;
    let ended = gantz_relay("").within(&relay.folder).script(redirected).end().await;
    assert!(ended.code() == Some(1) && ended.stderr.contains("is in the state folder itself"), "{ended}");
    assert_eq!(std::fs::metadata(state.join("redirected.tar")).unwrap().len(), 0, "nothing was written");

    // What `restore` would refuse is refused while something can still be done about it. The file takes no room.
    std::fs::File::create(state.join("strange.img")).unwrap().set_len(256 * 1024 * 1024 + 1).unwrap();
    let ended = relay.operator("backup backup.tar").await;
    let screen = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(ended.code() == Some(1) && screen.contains("strange.img is in the state folder and larger"), "{ended}");
    assert!(!relay.folder.path().join("backup.tar").exists());
}
