//! What a run leaves for the next one: the same URL and the same token after Ctrl-C, `kill -9` and a restart of the relay.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use gantz_tests::{Origin, echo, within};
use serde_json::Value;

use crate::process::{Cli, Ended, Folder, Running, gantz};
use crate::relay_process::{RelayProcess, get};
use crate::screens::assert_screen;

const SAME: &str = "same tunnel as last time (--new for a fresh one)";

/// A server, and a project from which it is made public, again and again.
struct Project {
    server: Origin,
    folder: Folder,
}

/// A run of a project that is ready.
struct Run {
    running: Running,
    url: String,
    token: String,
    ready: Value,
}

impl Project {
    fn new() -> Self {
        Self { server: echo(), folder: Folder::new() }
    }

    fn run(&self, relay: &RelayProcess, args: &str) -> Cli {
        relay.run(&format!("{} --json {args}", self.server.address())).within(&self.folder)
    }

    async fn start(&self, relay: &RelayProcess, args: &str) -> Run {
        Run::ready(self.run(relay, &format!("--auth {args}")).start()).await
    }

    /// What `gantz token` answers.
    async fn token(&self, args: &str) -> Value {
        let ended = gantz(&format!("token {args} --json")).within(&self.folder).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// The files of its tunnels.
    fn files(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("home/.local/state/gantz/tunnels");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
    }

    /// The file of its only tunnel.
    fn file(&self) -> PathBuf {
        let [file] = self.files().try_into().unwrap();
        file
    }
}

impl Run {
    async fn ready(mut running: Running) -> Self {
        let ready: Value = serde_json::from_str(&running.stdout.line(r#""event":"ready""#).await).unwrap();
        let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
        Self { url: text("url"), token: text("token"), running, ready }
    }

    async fn status(&self, token: &str) -> u16 {
        status(&self.url, token).await
    }

    /// Ends it with this signal.
    async fn end(self, signal: &str) -> Ended {
        self.running.signal(signal).await;
        self.running.end().await
    }

    /// Asserts that it is `before`, run again, and that it says so.
    async fn assert_same(&self, before: &(String, String)) {
        assert_eq!((&self.url, &self.token), (&before.0, &before.1));
        assert_eq!(self.status(&self.token).await, 200);
        assert!(self.running.stderr.now().contains(SAME), "{}", self.running.stderr.now());
    }

    fn known(&self) -> (String, String) {
        (self.url.clone(), self.token.clone())
    }
}

async fn status(url: &str, token: &str) -> u16 {
    within("an answer", get(url).bearer_auth(token).send()).await.unwrap().status().as_u16()
}

fn secret(made: &Value) -> String {
    made["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_same_url_and_token_after_ctrl_c_and_after_kill_9() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let first = project.start(&relay, "").await;
    let (known, expires) = (first.known(), first.ready["expires_at"].clone());
    assert!(!first.running.stderr.now().contains("last time"), "{}", first.running.stderr.now());
    let mut run = first;
    for signal in ["INT", "KILL", "KILL", "TERM"] {
        run.end(signal).await;
        run = project.start(&relay, "").await;
        run.assert_same(&known).await;
        assert_eq!(run.ready["expires_at"], expires, "a life does not begin anew");
    }
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = project.file();
    assert_eq!((mode(&file), mode(&file.parent().unwrap().to_owned())), (0o600, 0o700));
}

#[tokio::test]
async fn the_same_url_and_token_after_a_restart_of_both() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    let (known, before) = (run.known(), run.ready["name"].as_str().unwrap().to_owned());
    run.end("KILL").await;
    let (port, state) = relay.stop().await;
    let relay = RelayProcess::start_again(port, state).await;
    let mut run = project.start(&relay, "").await;
    run.assert_same(&known).await;
    // And when the relay is another one behind the same address, it says that the URL is.
    let (port, _) = relay.stop().await;
    run.running.stdout.line("reconnecting").await;
    run.end("KILL").await;
    let relay = RelayProcess::start_again(port, Folder::new()).await;
    let run = project.start(&relay, "").await;
    assert_eq!(run.token, known.1);
    assert_ne!(run.url, known.0);
    assert_eq!(run.status(&run.token).await, 200);
    let name = run.ready["name"].as_str().unwrap().to_owned();
    let said = run.end("INT").await.stderr;
    assert_screen!("kept_other_url", said.replace(&before, "[BEFORE]").replace(&name, "[NOW]"));
}

/// The agent has the new ticket in its file before it needs it.
#[tokio::test]
async fn the_url_outlives_new_keys_of_the_relay() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    for _ in 0..2 {
        let before = fs::read(project.file()).unwrap();
        relay.rotate_tickets().await;
        within("the new ticket in the file", async {
            while fs::read(project.file()).unwrap() == before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
    let known = run.known();
    run.end("KILL").await;
    project.start(&relay, "").await.assert_same(&known).await;
}

#[tokio::test]
async fn the_ghost_of_a_run_that_was_killed_is_nobody() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "--name tools").await;
    let known = run.known();
    run.end("KILL").await;
    // At once: the relay still believes in the old connection, and has not taken its name from it.
    let run = project.start(&relay, "--name tools").await;
    run.assert_same(&known).await;
    let before = project.server.last().fields.len();
    for _ in 0..20 {
        assert_eq!(run.status(&run.token).await, 200);
    }
    assert_eq!(project.server.last().fields.len(), before);
}

#[tokio::test]
async fn the_token_of_a_relay_inside_is_the_same() {
    let project = Project::new();
    let run = || gantz("run --auth --demo --json --local-listen 127.0.0.1:0").within(&project.folder).start();
    let first = Run::ready(run()).await;
    let token = first.token.clone();
    first.end("KILL").await;
    let second = Run::ready(run()).await;
    assert_eq!(second.token, token);
    let is_let_in = async |token: &str| status(&second.url.replace("localhost", "127.0.0.1"), token).await != 401;
    assert!(is_let_in(&token).await && !is_let_in("another").await);
    let said = second.end("INT").await.stderr;
    assert!(said.contains("same token as last time (--new for a fresh one)"), "{said}");
    assert!(!said.contains("has changed"), "{said}");
}

#[tokio::test]
async fn new_is_a_fresh_tunnel() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    let known = run.known();
    let added = secret(&project.token("add").await);
    run.end("KILL").await;
    let run = Run::ready(project.run(&relay, "--auth").env("GANTZ_NEW", "1").start()).await;
    assert!(run.url != known.0 && run.token != known.1);
    for old in [&known.1, &added] {
        assert_eq!(run.status(old).await, 401);
    }
    assert!(!run.running.stderr.now().contains("last time"));
    // Which is the one that is kept from now on.
    let known = run.known();
    run.end("INT").await;
    let run = Run::ready(project.run(&relay, "--auth").env("GANTZ_NEW", "no").start()).await;
    run.assert_same(&known).await;
    run.end("KILL").await;
    // A name that is asked for stays; its old holder is a ghost.
    let run = project.start(&relay, "--name tools").await;
    let known = run.known();
    run.end("KILL").await;
    let run = project.start(&relay, "--name tools --new").await;
    assert_eq!(run.url, known.0);
    assert_eq!((run.status(&known.1).await, run.status(&run.token).await), (401, 200));
}

#[tokio::test]
async fn tokens_go_on_as_they_were() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    let ci = secret(&project.token("add --label ci --ttl 1h --rate 100/min --tools now,e*").await);
    let gone = secret(&project.token("add --label gone").await);
    project.token("revoke gone").await;
    let rotated = secret(&project.token("rotate --grace 1h").await);
    let first = run.token.clone();
    let listed = project.token("list").await;
    run.end("KILL").await;

    let run = project.start(&relay, "").await;
    assert_eq!(run.token, rotated, "what rotate has made is the first token now");
    for (token, expected) in [(&rotated, 200), (&first, 200), (&ci, 200), (&gone, 401)] {
        assert_eq!(run.status(token).await, expected);
    }
    let again = project.token("list").await;
    let without_counters = |listed: &Value| {
        let tokens = listed.as_array().unwrap().iter().map(|token| {
            let mut token = token.as_object().unwrap().clone();
            token.remove("calls");
            token.remove("last_used_at");
            token
        });
        tokens.collect::<Vec<_>>()
    };
    assert_eq!(without_counters(&again), without_counters(&listed));
    // Nothing but the first token is there as it is.
    let text = fs::read_to_string(project.file()).unwrap();
    assert_eq!(text.matches("gtz_").count(), 1);
    assert!(text.contains(&rotated));
}

#[tokio::test]
async fn a_first_token_that_was_revoked_is_gone() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    let known = run.known();
    let ci = secret(&project.token("add --label ci").await);
    project.token("revoke run").await;
    run.end("KILL").await;
    assert!(!fs::read_to_string(project.file()).unwrap().contains("gtz_"));
    let run = project.start(&relay, "").await;
    assert_eq!(run.url, known.0);
    assert_ne!(run.token, known.1);
    for (token, expected) in [(&known.1, 401), (&run.token, 200), (&ci, 200)] {
        assert_eq!(run.status(token).await, expected);
    }
    assert!(run.running.stderr.now().contains("same URL as last time"));
}

#[tokio::test]
async fn a_token_that_has_expired_gives_way_to_a_fresh_one() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "--token-ttl 1s").await;
    let known = run.known();
    let expired = async {
        while run.status(&known.1).await != 401 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("the token's end", expired).await;
    run.end("KILL").await;
    let run = project.start(&relay, "").await;
    assert_eq!(run.url, known.0);
    assert_eq!((run.status(&known.1).await, run.status(&run.token).await), (401, 200));
    assert_screen!("kept_expired", run.end("INT").await.stderr);
}

#[tokio::test]
async fn a_life_that_is_asked_for_is_not_exceeded_and_none_gets_longer() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "--token-ttl 1h").await;
    let (known, expires) = (run.known(), run.ready["expires_at"].as_str().unwrap().to_owned());
    run.end("KILL").await;
    for (args, is_shorter, is_said) in
        [("--token-ttl 1h", false, false), ("--token-ttl 2h", false, true), ("--token-ttl 10m", true, false)]
    {
        let run = project.start(&relay, args).await;
        run.assert_same(&known).await;
        let now = run.ready["expires_at"].as_str().unwrap();
        assert_eq!((now < &*expires, now == expires), (is_shorter, !is_shorter), "{args}: {now} {expires}");
        let said = run.end("INT").await.stderr;
        assert_eq!(said.contains("--token-ttl is for fresh tokens"), is_said, "{args}: {said}");
    }
}

#[tokio::test]
async fn a_token_of_ones_own_is_not_written_down() {
    const TOKEN: &str = "a-token-of-ones-own-that-is-long-enough";
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    let known = run.known();
    let ci = secret(&project.token("add --label ci").await);
    run.end("INT").await;
    let run = Run::ready(project.run(&relay, "--auth").env("GANTZ_TOKEN", TOKEN).start()).await;
    assert_eq!((&*run.url, &*run.token), (&*known.0, TOKEN));
    for (token, expected) in [(TOKEN, 200), (&*known.1, 401), (&*ci, 200)] {
        assert_eq!(run.status(token).await, expected);
    }
    assert!(!fs::read_to_string(project.file()).unwrap().contains(TOKEN));
    run.end("KILL").await;
    let run = project.start(&relay, "").await;
    assert_eq!(run.url, known.0);
    for (token, expected) in [(TOKEN, 401), (&*run.token, 200), (&*ci, 200)] {
        assert_eq!(run.status(token).await, expected);
    }
}

#[tokio::test]
async fn an_open_tunnel_has_a_url_of_its_own_and_leaves_tokens_alone() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let guarded = project.start(&relay, "").await;
    let open = Run::ready(project.run(&relay, "--auth=none").start()).await;
    assert_ne!(open.url, guarded.url, "no flag opens the URL of a guarded tunnel");
    let (guarded_url, open_url) = (guarded.known(), open.url.clone());
    open.end("KILL").await;
    guarded.end("KILL").await;
    assert_eq!(Run::ready(project.run(&relay, "--auth=none").start()).await.url, open_url);
    project.start(&relay, "").await.assert_same(&guarded_url).await;

    // A name that is asked for is one URL, whoever may call; its tokens are there again afterwards.
    let run = project.start(&relay, "--name tools").await;
    let known = run.known();
    run.end("KILL").await;
    let run = Run::ready(project.run(&relay, "--auth=none --name tools").start()).await;
    assert_eq!(run.url, known.0);
    run.end("KILL").await;
    project.start(&relay, "--name tools").await.assert_same(&known).await;
}

#[tokio::test]
async fn each_project_and_each_name_has_a_tunnel_of_its_own() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let other = Project { server: echo(), folder: Folder::new() };
    let home = project.folder.path().join("home");
    let in_other = async |args: &str| {
        let cli = other.run(&relay, &format!("--auth {args}")).env("HOME", home.to_str().unwrap());
        Run::ready(cli.start()).await
    };
    // All at the same time, with one home.
    let runs = [project.start(&relay, "").await, in_other("").await, project.start(&relay, "--name tools").await];
    let known: Vec<_> = runs.iter().map(Run::known).collect();
    assert_eq!(project.files().len(), 3);
    for run in runs {
        run.end("KILL").await;
    }
    project.start(&relay, "").await.assert_same(&known[0]).await;
    in_other("").await.assert_same(&known[1]).await;
    // The name is the same from everywhere.
    in_other("--name Tools").await.assert_same(&known[2]).await;
}

#[tokio::test]
async fn a_second_run_at_once_says_whose_the_tunnel_is() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    let named = project.start(&relay, "--name tools").await;
    let mut all = Vec::new();
    for args in ["", "--new", "--name tools"] {
        let ended = project.run(&relay, &format!("--auth {args}")).end().await;
        assert_eq!(ended.code(), Some(1), "{ended}");
        all.push(ended.to_string());
    }
    let inside = |args: &str| gantz(&format!("run --auth --demo {args}")).within(&project.folder);
    let mut first = inside("--local-listen 127.0.0.1:0").start();
    first.stdout.line("Tunnel URL:").await;
    all.push(inside("--local-listen 127.0.0.1:0").end().await.to_string());
    let screens = all.join("\n\n");
    for pid in [run.running.id(), named.running.id(), first.id()] {
        assert!(screens.contains(&format!("process {pid}")), "{screens}");
    }
    let screens = screens.replace(&project.folder.path().canonicalize().unwrap().display().to_string(), "[FOLDER]");
    // Where a line ends depends on the folder's length.
    assert_screen!("kept_two_at_once", numbers_out(&screens.replace("\n       ", " ")));
    assert_eq!(run.status(&run.token).await, 200, "and the first one has not noticed");
}

/// Process numbers are other ones each time.
fn numbers_out(screens: &str) -> String {
    let words = |line: &str| {
        let words = line.split(' ').map(|word| match word.parse::<u32>() {
            Ok(_) if word.len() > 1 => "[PID]",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    screens.lines().map(words).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_cannot_be_used_is_set_aside() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let mut run = project.start(&relay, "").await;
    let file = project.file();
    let aside = file.with_extension("json.unused");
    for (what, why) in [
        ("damaged", "it is damaged"),
        ("empty", "it is damaged"),
        ("newer", "another version of gantz has written it (form 99)"),
        ("open", "others may read it"),
        ("link", "it is no file"),
        ("folder", "it is no file"),
    ] {
        let known = run.known();
        run.end("KILL").await;
        let text = fs::read_to_string(&file).unwrap();
        match what {
            "damaged" => fs::write(&file, &text[..text.len() / 2]).unwrap(),
            "empty" => fs::write(&file, "").unwrap(),
            "newer" => fs::write(&file, text.replacen(r#""version":1"#, r#""version":99"#, 1)).unwrap(),
            "open" => fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap(),
            _ => fs::remove_file(&file).unwrap(),
        }
        match what {
            "link" => std::os::unix::fs::symlink("/dev/zero", &file).unwrap(),
            "folder" => {
                fs::remove_file(&aside).unwrap();
                fs::create_dir(&file).unwrap();
            }
            _ => {}
        }
        // The link leads to what has no end.
        let before = if what == "link" { None } else { fs::read(&file).ok() };
        run = project.start(&relay, "").await;
        assert!(run.url != known.0 && run.token != known.1, "{what}");
        let said = run.running.stderr.now();
        let line = said.lines().find(|line| line.contains("is not used")).unwrap_or_else(|| panic!("{what}: {said}"));
        assert!(line.contains(why) && line.contains(&*file.to_string_lossy()), "{what}: {line}");
        assert!(!said.contains("gtz_"), "{said}");
        if let Some(before) = before {
            assert_eq!(fs::read(&aside).unwrap(), before, "{what}: as it was, but elsewhere");
        }
    }
    // What is kept since is as good as ever.
    let known = run.known();
    run.end("KILL").await;
    project.start(&relay, "").await.assert_same(&known).await;
}

#[tokio::test]
async fn a_folder_that_others_enter_is_not_used() {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let run = project.start(&relay, "").await;
    let (known, folder) = (run.known(), project.file().parent().unwrap().to_owned());
    run.end("KILL").await;
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let run = project.start(&relay, "").await;
    assert!(run.url != known.0 && run.token != known.1);
    let said = run.end("INT").await.stderr;
    assert!(said.contains("they cannot be kept") && said.contains("chmod 700"), "{said}");
}

/// What becomes of a run whose state folder is a file system of its own, of 64 KiB, that only it sees.
async fn on_a_small_disk(script: &'static str) -> (RelayProcess, Project, Run) {
    let (relay, project) = (RelayProcess::start().await, Project::new());
    let mut running = project.run(&relay, "--auth --call-log none").script(script).start();
    let told = running.stderr.line("cannot be kept").await;
    assert!(told.trim_start().starts_with("warning: the next run may have another URL and token"), "{told}");
    let run = Run::ready(running).await;
    assert_eq!(run.status(&run.token).await, 200);
    (relay, project, run)
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_ends_nothing() {
    // The lock is there already: what has no room is the file.
    const FULL: &str = r#"
        root=--map-root-user; [ "$(id -u)" = 0 ] && root=
        mkdir -p home/.local/state run; chmod 700 run; export XDG_RUNTIME_DIR=$PWD/run
        exec unshare --mount $root sh -ec '
            mount -t tmpfs -o size=64k,mode=700 tmpfs home/.local/state
            mkdir -m 700 -p home/.local/state/gantz/tunnels
            dd if=/dev/zero of=home/.local/state/filler bs=4k 2>/dev/null || true
            exec "$@"' sh "$@""#;
    let (_relay, project, run) = on_a_small_disk(FULL).await;
    let made = gantz("token rotate --json")
        .within(&project.folder)
        .env("XDG_RUNTIME_DIR", project.folder.path().join("run").to_str().unwrap());
    let made: Value = serde_json::from_str(&made.end().await.stdout).unwrap();
    assert_eq!(run.status(&secret(&made)).await, 200);
    let said = run.end("INT").await;
    assert_eq!(said.code(), Some(0), "{said}");
    assert_eq!(said.stderr.matches("cannot be kept").count(), 1, "{said}");
    assert!(said.stderr.contains("No space left"), "{said}");
}

#[tokio::test]
async fn a_disk_that_is_only_read_ends_nothing() {
    const READ_ONLY: &str = r#"
        root=--map-root-user; [ "$(id -u)" = 0 ] && root=
        mkdir -p home/.local/state
        exec unshare --mount $root sh -ec '
            mount -t tmpfs -o ro tmpfs home/.local/state
            exec "$@"' sh "$@""#;
    let (_relay, _project, run) = on_a_small_disk(READ_ONLY).await;
    let said = run.end("INT").await;
    assert_eq!(said.code(), Some(0), "{said}");
    assert_eq!(said.stderr.matches("cannot be kept").count(), 1, "{said}");
}
