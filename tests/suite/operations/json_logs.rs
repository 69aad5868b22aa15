//! With `--log-format json` each line of the relay's log is an object.

use std::process::Stdio;

use gantz_tests::{binaries, within};
use serde_json::Value;
use tokio::process::Command;

#[tokio::test]
async fn each_line_is_an_object_that_says_when_where_and_what() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binaries::gantz_relay());
    command
        .args(["serve", "--domain=relay.test", "--tls=self-signed", "--access=open", "--log-format=json", "-v"])
        .args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--state-dir=state"])
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut relay = command.spawn().unwrap();
    let mut log = tokio::io::BufReader::new(relay.stderr.take().unwrap());
    let mut lines = Vec::new();
    let served = async {
        loop {
            let mut line = String::new();
            let read = tokio::io::AsyncBufReadExt::read_line(&mut log, &mut line).await.unwrap();
            assert!(read > 0, "it ended: {lines:?}");
            let is_serving = line.contains("relay serves");
            lines.push(line);
            if is_serving {
                return;
            }
        }
    };
    within("it serves", served).await;
    let id = relay.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let mut rest = String::new();
    within("the rest", tokio::io::AsyncReadExt::read_to_string(&mut log, &mut rest)).await.unwrap();
    assert!(within("its end", relay.wait()).await.unwrap().success());
    lines.extend(rest.lines().map(str::to_owned));
    assert!(lines.len() >= 3, "{lines:?}");
    for line in &lines {
        let said: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for name in ["timestamp", "level", "target"] {
            assert!(said[name].is_string(), "{name}: {line}");
        }
        assert!(said["fields"]["message"].is_string(), "{line}");
    }
}
