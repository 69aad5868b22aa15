//! A relay whose disk is full: it serves on, refuses what it cannot keep, and says so.

use std::fs;

use gantz_tests::small_disk::{fill, small_disk};
use reqwest::StatusCode;

use crate::{Folder, Relay};

#[test]
fn it_serves_on_and_refuses_what_it_cannot_keep() {
    let name = "full_disk::it_serves_on_and_refuses_what_it_cannot_keep";
    let Some(disk) = small_disk(name, "size=1m,mode=700") else { return };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let folder = Folder::new();
        // The runs' own folders are elsewhere.
        std::os::unix::fs::symlink(&disk, folder.path().join("state")).unwrap();
        let relay = Relay::start_again(gantz_tests::lasting_port(), folder, "").await;
        let alice = relay.key("--label alice").await;
        let held = relay.open(&alice, "--name held").await;
        let filler = disk.join("filler");
        fill(&filler);

        // Who is here stays, and who needs nothing kept may come.
        assert_eq!(held.get("/mcp").send().await.unwrap().status(), StatusCode::NOT_ACCEPTABLE);
        let random = relay.open(&alice, "").await;
        assert_eq!(random.get("/mcp").send().await.unwrap().status(), StatusCode::NOT_ACCEPTABLE);
        let refused = relay.run(Some(&alice), "--name wished").end().await;
        assert!(refused.stderr.contains("the relay cannot reserve names at the moment"), "{refused}");
        let refused = relay.operator("key add --label bob").await;
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert!(refused.stderr.contains("nothing was changed") && refused.stderr.contains("disk is full"), "{refused}");
        let log = relay.running.stderr.now();
        assert!(log.contains("name not reserved") && log.contains("disk is full"), "{log}");

        // It starts there, too, after a crash as after a stop.
        relay.running.signal("KILL").await;
        relay.running.end().await;
        let relay = Relay::start_again(relay.port, relay.folder, "").await.restart().await;
        // Held for, until the agent is back.
        assert_eq!(held.get("/mcp").send().await.unwrap().status(), StatusCode::NOT_ACCEPTABLE);
        fs::remove_file(filler).unwrap();
        relay.key("--label bob").await;
        assert_eq!(relay.open(&alice, "--name wished").await.name, "wished");
    });
}
