//! What both programs say about themselves, and in which colours.

use crate::process::Cli;
use crate::screens::assert_screen;
use crate::{gantz, gantz_relay};

#[tokio::test]
async fn gantz_help() {
    assert_screen!("help_gantz", gantz("--help").screen(0).await);
    assert_screen!("help_gantz_run", gantz("run --help").screen(0).await);
    assert_screen!("help_gantz_run_short", gantz("run -h").screen(0).await);
    assert_screen!("help_gantz_login", gantz("login -h").screen(0).await);
}

#[tokio::test]
async fn relay_help() {
    assert_screen!("help_relay", gantz_relay("--help").screen(0).await);
    assert_screen!("help_relay_serve", gantz_relay("serve --help").screen(0).await);
    assert_screen!("help_relay_key", gantz_relay("key --help").screen(0).await);
    assert_screen!("help_relay_config", gantz_relay("config --help").screen(0).await);
    assert_screen!("help_relay_key_add", gantz_relay("key add -h").screen(0).await);
    assert_screen!("help_relay_names", gantz_relay("names --help").screen(0).await);
}

/// The long flags of a help screen, each with what is said about it.
fn flags(help: &str) -> Vec<(String, String)> {
    let mut flags: Vec<(String, String)> = Vec::new();
    for line in help.lines() {
        let begins = line.trim_start().trim_start_matches("-v, ").strip_prefix("--");
        match begins.filter(|_| line.find('-').is_some_and(|column| column <= 6)) {
            Some(flag) => {
                let name =
                    flag.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-').next().unwrap();
                flags.push((name.to_owned(), String::new()));
            }
            None => {
                if let Some((_, text)) = flags.last_mut() {
                    text.push_str(line);
                }
            }
        }
    }
    flags
}

#[tokio::test]
async fn every_flag_has_its_environment_variable() {
    for (cli, prefix, least) in [
        (gantz("run --help"), "GANTZ", 18),
        (gantz_relay("serve --help"), "GANTZ_RELAY", 17),
        (gantz_relay("config check --help"), "GANTZ_RELAY", 17),
    ] {
        let flags = flags(&cli.end().await.stdout);
        assert!(flags.len() >= least, "{flags:#?}");
        for (flag, text) in flags {
            let variable = format!("[env: {prefix}_{}]", flag.to_uppercase().replace('-', "_"));
            assert!(text.contains(&variable), "--{flag} has no {variable}: {text}");
        }
    }
}

#[tokio::test]
async fn what_has_no_flag_is_named_at_the_end() {
    for (cli, variable) in [(gantz("run --help"), " GANTZ_LOG "), (gantz_relay("serve --help"), " GANTZ_RELAY_LOG ")] {
        let help = cli.end().await.stdout;
        let (_, end) = help.rsplit_once("\n\n").unwrap();
        assert!(end.contains(variable), "{help}");
    }
}

#[tokio::test]
async fn help_fits_80_columns() {
    for cli in
        [gantz("--help"), gantz("run --help"), gantz("run -h"), gantz_relay("serve --help"), gantz_relay("--help")]
    {
        let ended = cli.end().await;
        let wide: Vec<_> = ended.stdout.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{wide:#?}");
    }
}

#[tokio::test]
async fn without_a_command_help_is_an_error() {
    for cli in [gantz(""), gantz_relay("")] {
        let ended = cli.end().await;
        assert_eq!((ended.code(), &*ended.stdout), (Some(2), ""), "{ended}");
        assert!(ended.stderr.contains("Usage:"), "{ended}");
    }
}

#[tokio::test]
async fn versions() {
    for (cli, name) in [(gantz("--version"), "gantz"), (gantz_relay("-V"), "gantz-relay")] {
        assert_eq!(cli.end().await.stdout, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[tokio::test]
async fn completions_know_the_commands_of_each_program() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = gantz("completions").arg(shell).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(ended.stdout.contains("print-config") && ended.stdout.contains("gantz"), "{shell}: {ended}");
        let ended = gantz_relay("completions").arg(shell).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(ended.stdout.contains("admin-listen") && ended.stdout.contains("gantz-relay"), "{shell}: {ended}");
    }
}

#[tokio::test]
async fn the_bash_script_completes_a_flag() {
    let script = r#"source <("$1" completions bash); COMP_WORDS=(gantz run --aut); COMP_CWORD=2
        _gantz gantz --aut run; printf '%s\n' "${COMPREPLY[@]}""#;
    assert_eq!(gantz("").script(script).end().await.stdout, "--auth\n");
}

/// The command on a terminal; what the terminal got is on stdout.
fn on_a_terminal(cli: Cli) -> Cli {
    const PTY: &str = r#"exec python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$@""#;
    cli.env("TERM", "xterm").script(PTY)
}

const ESCAPE: char = '\x1b';

#[tokio::test]
async fn colours_are_for_terminals_and_not_where_no_color_is_set() {
    let help = || gantz("run --auht");
    let log = || {
        gantz_relay("serve --domain relay.test --tls off --access open --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0")
            .arg("--state-dir=state")
    };
    assert!(on_a_terminal(help()).end().await.stdout.contains(ESCAPE));
    assert!(!on_a_terminal(help()).env("NO_COLOR", "1").end().await.stdout.contains(ESCAPE));
    assert!(!help().end().await.stderr.contains(ESCAPE));

    for (cli, is_coloured) in [(on_a_terminal(log()), true), (on_a_terminal(log()).env("NO_COLOR", "1"), false)] {
        let mut running = cli.start();
        let line = running.stdout.line("relay serves").await;
        assert_eq!(line.contains(ESCAPE), is_coloured, "{line:?}");
    }
    let mut running = log().start();
    assert!(!running.stderr.line("relay serves").await.contains(ESCAPE));
}
