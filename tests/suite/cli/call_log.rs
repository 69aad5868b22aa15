//! `--call-log` and `--log-arguments`: which file, whose, and what happens when there is none or no room.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gantz_tests::{Origin, echo};
use serde_json::{Value, json};

use crate::process::{Cli, Folder, Running};
use crate::screens::assert_screen;
use crate::{RelayProcess, gantz};

const DEFAULT: &str = "home/.local/state/gantz/calls";
const USERS: &str = "config/gantz/config.yaml";

/// `gantz run` for everybody, in this folder.
fn run(relay: &RelayProcess, server: &Origin, folder: &Folder, args: &str) -> Cli {
    relay.run(&format!("{} --auth=none {args}", server.address())).within(folder)
}

/// Starts it, calls the tool `echo` of the tunnel `name`, and ends it.
async fn called(cli: Cli, relay: &RelayProcess, name: &str) -> String {
    let mut running = cli.start();
    running.stdout.line("Tunnel URL:").await;
    call(relay, name).await;
    ended(running).await
}

async fn call(relay: &RelayProcess, name: &str) {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "echo", "arguments": { "message": "hi", "password": "hunter2" } },
    });
    let answer = relay.get(name, "/mcp").body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), body.to_string());
}

/// Ends it; what it said on stderr.
async fn ended(running: Running) -> String {
    running.signal("INT").await;
    let ended = running.end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    ended.stderr
}

/// The lines of the tool `echo`: probes of the local server do not come through the tunnel, but others' calls may.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!text.contains("hunter2"), "{text}");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["tool"] == "echo").collect()
}

#[tokio::test]
async fn by_default_each_tunnel_has_a_file_in_the_state_folder() {
    let (relay, server, folder) = (RelayProcess::start().await, echo(), Folder::new());
    let mut first = run(&relay, &server, &folder, "--name one").start();
    first.stdout.line("Tunnel URL:").await;
    let mut second = run(&relay, &server, &folder, "--name two").start();
    second.stdout.line("Tunnel URL:").await;
    call(&relay, "one").await;
    call(&relay, "two").await;
    for (running, file) in [(first, "one.log"), (second, "two.log")] {
        ended(running).await;
        let path = folder.path().join(DEFAULT).join(file);
        let [line] = lines(&path).try_into().unwrap();
        assert_eq!((&line["status"], &line["token"]), (&json!(200), &Value::Null), "{line}");
        assert!(line.get("arguments").is_none(), "{line}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(folder.path().join(DEFAULT).metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn two_tunnels_to_one_server_have_a_file_each() {
    let (relay, server, folder) = (RelayProcess::start().await, echo(), Folder::new());
    let mut names = Vec::new();
    let mut running = Vec::new();
    // Of two projects of one user: a project has one tunnel at a time.
    let home = folder.path().join("home");
    for project in [folder.clone(), Folder::new()] {
        let mut one = run(&relay, &server, &project, "--json").env("HOME", home.to_str().unwrap()).start();
        let ready: Value = serde_json::from_str(&one.stdout.line("ready").await).unwrap();
        names.push(ready["name"].as_str().unwrap().to_owned());
        running.push(one);
    }
    call(&relay, &names[0]).await;
    call(&relay, &names[1]).await;
    call(&relay, &names[1]).await;
    for one in running {
        ended(one).await;
    }
    let file = format!("127.0.0.1-{}", server.address().port());
    for (file, count) in [(format!("{file}.log"), 1), (format!("{file}+2.log"), 2)] {
        assert_eq!(lines(&folder.path().join(DEFAULT).join(file)).len(), count);
    }
}

#[tokio::test]
async fn flag_variable_and_files_name_the_file() {
    let (relay, server) = (RelayProcess::start().await, echo());
    for (args, variable, project, users, file) in [
        ("--call-log flag.log", "variable.log", "call_log: project.log", "", "flag.log"),
        ("", "variable.log", "call_log: project.log", "", "variable.log"),
        ("", "", "call_log: logs/project.log", "call_log: users.log", "logs/project.log"),
        // A path in a file begins where the file is.
        ("", "", "", "call_log: users.log", "config/gantz/users.log"),
    ] {
        let folder = Folder::new();
        let cli = run(&relay, &server, &folder, &format!("--name tools {args}")).env("GANTZ_CALL_LOG", variable);
        called(cli.file("gantz.yaml", project).file(USERS, users), &relay, "tools").await;
        assert_eq!(lines(&folder.path().join(file)).len(), 1, "{file}");
        assert!(!folder.path().join(DEFAULT).exists(), "{file}");
    }
}

#[tokio::test]
async fn none_writes_nothing() {
    let (relay, server) = (RelayProcess::start().await, echo());
    for (args, variable, project) in
        [("--call-log none", "", ""), ("", "none", "call_log: project.log"), ("", "", "call_log: none")]
    {
        let folder = Folder::new();
        let cli = run(&relay, &server, &folder, &format!("--name tools {args}")).env("GANTZ_CALL_LOG", variable);
        called(cli.file("gantz.yaml", project), &relay, "tools").await;
        for path in [DEFAULT, "none", "none.lock", "project.log"] {
            assert!(!folder.path().join(path).exists(), "{path}");
        }
    }
}

#[tokio::test]
async fn arguments_are_there_where_they_are_asked_for() {
    let (relay, server) = (RelayProcess::start().await, echo());
    for (args, variable, project, is_there) in [
        ("--log-arguments", "", "", true),
        ("", "1", "", true),
        ("", "", "log_arguments: true", true),
        ("", "no", "log_arguments: true", false),
        // The first that is heard wins; with arguments, the log is where it is by default.
        ("--log-arguments", "", "call_log: none", true),
    ] {
        let folder = Folder::new();
        let cli = run(&relay, &server, &folder, &format!("--name tools {args}")).env("GANTZ_LOG_ARGUMENTS", variable);
        called(cli.file("gantz.yaml", project), &relay, "tools").await;
        let [line] = lines(&folder.path().join(DEFAULT).join("tools.log")).try_into().unwrap();
        let expected = json!({ "message": "hi", "password": gantz_audit::REDACTED });
        assert_eq!(line.get("arguments"), is_there.then_some(&expected), "{args} {variable} {project}");
    }
}

#[tokio::test]
async fn no_log_beats_arguments_that_a_file_asks_for() {
    let (relay, server, folder) = (RelayProcess::start().await, echo(), Folder::new());
    let cli = run(&relay, &server, &folder, "--name tools --call-log none").file("gantz.yaml", "log_arguments: true");
    called(cli, &relay, "tools").await;
    assert!(!folder.path().join(DEFAULT).exists());
}

#[tokio::test]
async fn a_log_that_was_asked_for_and_cannot_be_is_an_error() {
    let (relay, server, folder) = (RelayProcess::start().await, echo(), Folder::new());
    let no_file = gantz("run --auth 8090 --call-log folder").file("folder/inside", "").screen(1).await;
    let no_folder = gantz("run --auth 8090 --call-log file/calls.log").file("file", "").screen(1).await;
    let mut first = run(&relay, &server, &folder, "--call-log calls.log").start();
    first.stdout.line("Tunnel URL:").await;
    let taken = gantz("run --auth 8090 --call-log calls.log").within(&folder).screen(1).await;
    assert_screen!("bad_call_log", [no_file, no_folder, taken].join("\n\n"));
}

#[tokio::test]
async fn a_run_goes_on_without_the_default_log_and_says_so() {
    let (relay, server, folder) = (RelayProcess::start().await, echo(), Folder::new());
    folder.write("home", "a file where the home should be");
    let said = called(run(&relay, &server, &folder, "--name tools"), &relay, "tools").await;
    assert_eq!(said.matches("warning: calls are not written down").count(), 1, "{said}");
}

/// Encodes each byte `rounds` times.
fn encoded(text: &str, rounds: usize) -> String {
    text.bytes().map(|byte| format!("%{}{byte:02X}", "25".repeat(rounds - 1))).collect()
}

/// Calls with `token` in everything that a line holds, and asserts that the log at `path` then holds none of it.
async fn assert_hidden(running: Running, relay: &RelayProcess, token: &str, path: &Path) {
    // Of a token nobody could mistake the half for something else.
    let half = &token[..token.len() / 2];
    let spellings =
        [token.to_owned(), encoded(token, 1), encoded(token, 2), format!("{half}{}", encoded(&token[half.len()..], 1))];
    for spelling in &spellings {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": format!("say {spelling}"), "arguments": { "message": spelling, "of": [spelling] } },
        });
        let method = json!({ "jsonrpc": "2.0", "id": 1, "method": format!("x/{spelling}") });
        for (at, body) in
            [(format!("/x/{spelling}/y"), &body), ("/plain".to_owned(), &body), ("/plain".to_owned(), &method)]
        {
            let answer = relay.get("tools", &at).bearer_auth(token).body(body.to_string()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{at}");
            answer.bytes().await.unwrap();
        }
    }
    ended(running).await;
    let text = std::fs::read_to_string(path).unwrap();
    let calls = text.lines().filter(|line| line.contains("\"bytes_out\"")).count();
    assert!(calls >= 3 * spellings.len(), "{text}");
    for spelling in spellings {
        assert!(!text.contains(&spelling) && !text.contains(half), "{text}");
    }
    assert!(text.contains("/plain"), "what is no secret is there: {text}");
}

#[tokio::test]
async fn the_token_that_lets_callers_in_is_in_no_line() {
    /// It looks like no credential.
    const BROUGHT: &str = "Zm9v+YmFyLXRva2Vu/MTIzNDU2Nzg5MA==";
    let (relay, server, folder) = (RelayProcess::start().await, echo(), Folder::new());
    let log = folder.path().join("calls.log");
    let run = || {
        let args = format!("{} --auth --name tools --json --call-log calls.log --log-arguments", server.address());
        relay.run(&args).within(&folder)
    };
    let mut brought = run().env("GANTZ_TOKEN", BROUGHT).start();
    brought.stdout.line("ready").await;
    assert_hidden(brought, &relay, BROUGHT, &log).await;
    // A fresh one, and then that of the run before, which is in the state file.
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut running = run().start();
        let ready: Value = serde_json::from_str(&running.stdout.line("ready").await).unwrap();
        tokens.push(ready["token"].as_str().unwrap().to_owned());
        assert_hidden(running, &relay, &tokens[tokens.len() - 1], &log).await;
    }
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_stops_nothing() {
    // A file system of 64 KiB that only this process sees, with nothing free.
    const SMALL_DISK: &str = r#"
        root=--map-root-user; [ "$(id -u)" = 0 ] && root=
        mkdir small; exec unshare --mount $root sh -ec '
            mount -t tmpfs -o size=64k tmpfs small
            dd if=/dev/zero of=small/filler bs=4k 2>/dev/null || true
            exec "$@"' sh "$@""#;
    let (relay, server, folder) = (RelayProcess::start().await, echo(), Folder::new());
    let cli = run(&relay, &server, &folder, "--name tools --call-log small/calls.log").script(SMALL_DISK);
    let mut running = cli.start();
    running.stdout.line("Tunnel URL:").await;
    call(&relay, "tools").await;
    let told = running.stderr.line("cannot be written").await;
    assert!(told.contains("ERROR") && told.contains("small/calls.log") && told.contains("No space left"), "{told}");
    for _ in 0..100 {
        call(&relay, "tools").await;
    }
    let said = ended(running).await;
    assert_eq!(said.matches("cannot be written").count(), 1, "{said}");
    assert_eq!(said.matches("could not be written to its end").count(), 1, "{said}");
}
