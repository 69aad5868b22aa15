//! `gantz token` and `gantz status`: commands to a tunnel that runs, from another process of the same user.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use gantz_tests::{Origin, echo, within};
use serde_json::Value;

use crate::process::{Cli, Folder, Running, gantz};
use crate::relay_process::{RelayProcess, get};
use crate::screens::assert_screen;

/// A relay, a server, and a tunnel with a home of its own, in which commands find it.
struct Tunnel {
    relay: RelayProcess,
    server: Origin,
    home: Folder,
    running: Running,
    url: String,
    token: String,
}

impl Tunnel {
    async fn open() -> Self {
        let relay = RelayProcess::start().await;
        let (server, home) = (echo(), Folder::new());
        let mut running = relay.run(&format!("{} --auth --json", server.address())).within(&home).start();
        let (url, token) = ready(&mut running).await;
        Self { relay, server, home, running, url, token }
    }

    fn command(&self, args: &str) -> Cli {
        gantz(args).within(&self.home)
    }

    /// A command that succeeds and prints one JSON object or list.
    async fn json(&self, args: &str) -> Value {
        let ended = self.command(&format!("{args} --json")).end().await;
        assert_eq!(ended.code(), Some(0), "{args}: {ended}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    async fn status(&self, token: &str) -> u16 {
        let call = get(&self.url).bearer_auth(token).send();
        within("an answer", call).await.unwrap().status().as_u16()
    }

    fn sockets(&self) -> std::path::PathBuf {
        self.home.path().join("home/.local/state/gantz/run")
    }
}

async fn ready(running: &mut Running) -> (String, String) {
    let event: Value = serde_json::from_str(&running.stdout.line(r#""event":"ready""#).await).unwrap();
    let text = |key: &str| event[key].as_str().unwrap().to_owned();
    (text("url"), text("token"))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}")).to_owned()
}

#[tokio::test]
async fn a_token_is_added_listed_used_and_revoked_while_the_tunnel_runs() {
    let tunnel = Tunnel::open().await;
    let made = tunnel.json("token add --label ci --ttl 1h --rate 100/min").await;
    let token = text(&made, "token");
    assert!(token.starts_with("gtz_") && token.len() == 47);
    assert_eq!((&made["applied"], &made["label"], &made["rate"]), (&true.into(), &"ci".into(), &"100/min".into()));
    assert_eq!(tunnel.status(&token).await, 200);

    let listed = tunnel.json("token list").await;
    let [first, ci] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&first["id"], &first["calls"]), (&"run".into(), &0.into()));
    assert_eq!((&ci["label"], &ci["calls"]), (&"ci".into(), &1.into()));
    assert!(ci["last_used_at"].is_string() && first["last_used_at"].is_null(), "{listed}");
    assert!(!listed.to_string().contains("gtz_"), "a list shows no token");

    let revoked = tunnel.json("token revoke ci").await;
    assert_eq!((&revoked["revoked"][0], &revoked["left"]), (&ci["id"], &1.into()));
    assert_eq!(tunnel.status(&token).await, 401);
    assert_eq!(tunnel.status(&tunnel.token).await, 200);
    let ended = tunnel.command("token revoke run").end().await;
    assert!(ended.stderr.contains("no token is left"), "{ended}");
    assert_eq!(tunnel.status(&tunnel.token).await, 401);
}

#[tokio::test]
async fn a_rotated_token_works_beside_the_new_one_for_its_grace() {
    let tunnel = Tunnel::open().await;
    let made = tunnel.json("token rotate --grace 1h").await;
    assert_eq!(made["replaces"], "run");
    let new = text(&made, "token");
    assert_eq!((tunnel.status(&new).await, tunnel.status(&tunnel.token).await), (200, 200));
    // And at once, without one.
    let newest = tunnel.json(&format!("token rotate {} --grace 0", text(&made, "id"))).await;
    assert_eq!(tunnel.status(&new).await, 401);
    assert_eq!(tunnel.status(&text(&newest, "token")).await, 200);
    assert_eq!(tunnel.status(&tunnel.token).await, 200, "the first one still has its grace");
}

#[tokio::test]
async fn tokens_outlive_the_relay() {
    let tunnel = Tunnel::open().await;
    let token = text(&tunnel.json("token add").await, "token");
    let expires = text(&tunnel.json("token list").await[1], "expires_at");
    let Tunnel { relay, mut running, url, home, .. } = tunnel;
    let (port, folder) = relay.stop().await;
    running.stdout.line(r#""event":"reconnecting""#).await;
    // While the tunnel is away, a change waits.
    let made = gantz("token add --label later --json").within(&home).end().await;
    assert!(made.stderr.contains("the change counts as soon as it is back"), "{made}");
    let later: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(later["applied"], false);
    let _relay = RelayProcess::start_again(port, folder).await;
    running.stdout.line(r#""event":"reconnected""#).await;
    for token in [token, text(&later, "token")] {
        let call = get(&url).bearer_auth(token).send();
        assert_eq!(within("an answer", call).await.unwrap().status(), 200);
    }
    let listed = gantz("token list --json").within(&home).end().await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(text(&listed[1], "expires_at"), expires, "a life does not begin anew");
}

#[tokio::test]
async fn screens_of_a_tunnel_that_runs() {
    let tunnel = Tunnel::open().await;
    let mut all = Vec::new();
    for (args, code) in [
        ("status", 0),
        ("token add --label ci --ttl 1h --rate 100/min:20", 0),
        ("token add --label for-ever --ttl 0", 0),
        ("token list", 0),
        ("token rotate ci", 0),
        ("token revoke ci", 0),
        ("token revoke nobody", 1),
        ("token rotate nobody", 1),
        ("token list --name other", 2),
        ("token add --ttl -1", 2),
        ("token add --ttl 0s", 2),
        ("token add --ttl 10y", 2),
        ("token add --rate 0/s", 2),
        ("token add --rate 100", 2),
        ("token revoke", 2),
        ("token", 2),
    ] {
        all.push(tunnel.command(args).screen(code).await);
    }
    all.push(tunnel.command("token add").arg("--label=two words").screen(1).await);
    assert_screen!("token", without_ids(&all.join("\n\n")));
}

/// Ids and process numbers are new each time, and columns are as wide as what is in them.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| {
        word.len() == 7 && word.starts_with('t') && word[1..].bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let words = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let words = line.split_whitespace().map(|word| match word.trim_end_matches(',') {
            bare if is_id(bare) && bare != "tunnels" => word.replace(bare, "[ID]"),
            pid if pid.len() > 2 && pid.bytes().all(|byte| byte.is_ascii_digit()) => "[PID]".to_owned(),
            _ => word.to_owned(),
        });
        format!("{}{}", &line[..indent], words.collect::<Vec<_>>().join(" "))
    };
    text.lines().map(words).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn without_a_tunnel_there_is_nobody_to_ask() {
    let home = Folder::new();
    let mut all = Vec::new();
    for (args, code) in [("status", 0), ("token list", 1), ("token add --name my-tools", 1)] {
        all.push(gantz(args).within(&home).screen(code).await);
    }
    assert_screen!("token_without_tunnel", all.join("\n\n"));
}

#[tokio::test]
async fn with_two_tunnels_the_name_has_to_be_said() {
    let tunnel = Tunnel::open().await;
    let run = format!("{} --auth --json --name my-tools", tunnel.server.address());
    let mut second = tunnel.relay.run(&run).within(&tunnel.home).start();
    let (url, _) = ready(&mut second).await;
    let ended = tunnel.command("token list").end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(ended.stderr.contains("more than one tunnel is running") && ended.stderr.contains("my-tools"), "{ended}");
    let token = text(&tunnel.json("token add --name MY-TOOLS").await, "token");
    let call = get(&url).bearer_auth(&token).send();
    assert_eq!(within("an answer", call).await.unwrap().status(), 200);
    assert_eq!(tunnel.status(&token).await, 401, "it is the other tunnel's");
    let listed = tunnel.json("status").await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test]
async fn what_a_crash_has_left_is_nobody() {
    let tunnel = Tunnel::open().await;
    tunnel.running.signal("KILL").await;
    let sockets = tunnel.sockets();
    assert_eq!(std::fs::read_dir(&sockets).unwrap().count(), 1, "the crash leaves its socket");
    let Tunnel { running, home, .. } = tunnel;
    running.end().await;
    let ended = gantz("token list").within(&home).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("no tunnel is running"), "{ended}");
    assert_eq!(std::fs::read_dir(&sockets).unwrap().count(), 0, "and it is removed");
}

#[tokio::test]
async fn only_this_user_can_open_the_socket() {
    let tunnel = Tunnel::open().await;
    let folder = std::fs::metadata(tunnel.sockets()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    // A folder that others can enter is not used, by either side.
    std::fs::set_permissions(tunnel.sockets(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let ended = tunnel.command("token list").end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("is open to others") && ended.stderr.contains("chmod 700"), "{ended}");
}

#[tokio::test]
async fn a_socket_that_says_something_else_is_no_tunnel() {
    let home = Folder::new();
    let folder = home.path().join("home/.local/state/gantz/run");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let listener = UnixListener::bind(folder.join("1.sock")).unwrap();
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = [0; 64];
        let read = stream.read(&mut seen).unwrap();
        stream.write_all(b"what?\n").unwrap();
        read
    });
    let ended = gantz("token list").within(&home).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("no tunnel is running"), "{ended}");
    assert!(answering.join().unwrap() > 0);
}

/// A call of a tool of the demo server, without a session.
async fn call_tool(url: &str, token: &str, tool: &str) -> (u16, String) {
    let message = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool,
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    } });
    let call = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(no_tls()).build().unwrap().post(url);
    let call = call
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(message.to_string());
    let answer = within("an answer", call.send()).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn no_tls() -> rustls::ClientConfig {
    gantz_tests::client::trusting("", &[])
}

#[tokio::test]
async fn a_token_can_be_for_some_tools_only() {
    let home = Folder::new();
    let mut running = gantz("run --auth --demo --json --local-listen 127.0.0.1:0").within(&home).start();
    let (url, _) = ready(&mut running).await;
    let url = url.replace("localhost", "127.0.0.1");
    let add = async |args: &str| {
        let ended = gantz(&format!("token add --json {args}")).within(&home).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        let made: Value = serde_json::from_str(&ended.stdout).unwrap();
        (text(&made, "token"), ended.stderr)
    };
    let (token, warnings) = add("--tools now,e*").await;
    assert_eq!(warnings, "");
    assert_eq!(call_tool(&url, &token, "now").await.0, 200);
    let (status, body) = call_tool(&url, &token, "add").await;
    assert_eq!(status, 403);
    assert!(body.contains("insufficient_scope") && body.contains("now,e*"), "{body}");

    let (_, warnings) = add("--tools nothing_*,now").await;
    let [nothing, there_are] = ["nothing_* matches no tool", "there are add, count, echo, now"];
    assert!(warnings.contains(nothing) && warnings.contains(there_are), "{warnings}");

    // What only reads is known before its holder has asked.
    let (token, _) = add("--read-only").await;
    assert_eq!(call_tool(&url, &token, "now").await.0, 200);

    let listed = gantz("token list").within(&home).end().await.stdout;
    assert!(listed.contains("now,e*") && listed.contains("read-only tools"), "{listed}");
    let ended = gantz("token add").arg("--tools=a[").within(&home).end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(ended.stderr.contains("`a[`"), "{ended}");
}

/// A process that hangs keeps the commands to another one for two seconds, and is named.
#[tokio::test]
async fn a_socket_where_nobody_answers_is_named_and_not_waited_for() {
    let tunnel = Tunnel::open().await;
    let silent = tunnel.sockets().join("1.sock");
    let _listener = UnixListener::bind(&silent).unwrap();
    let begun = std::time::Instant::now();
    let ended = tunnel.command("token list").end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stdout.contains("run") && ended.stderr.contains("1.sock does not answer"), "{ended}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(15));
}
