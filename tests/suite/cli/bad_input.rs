//! `gantz`: what is wrong before anything is begun. Exit code 2, and no secret is repeated.

use crate::gantz;
use crate::screens::{assert_screen, screens};

#[tokio::test]
async fn an_unknown_flag_or_command_names_the_nearest() {
    assert_screen!("unknown_flag", screens(2, &["run --auht 8090", "run --auth 8090 8091"]).await);
    let commands = ["rnu --auth 8090", "token --json ad", "token lst", "8090", "frobnicate"];
    assert_screen!("unknown_command", screens(2, &commands).await);
}

#[tokio::test]
async fn a_value_that_begins_with_a_hyphen_is_told_how() {
    let commands = ["run --name -a", "run --auth 8090 --name --tools-of-mine", "token --name -a list"];
    assert_screen!("hyphen", screens(2, &commands).await);
    // Neither of these repeats it.
    let mut secrets = Vec::new();
    for flag in ["token", "key", "upstream-header"] {
        let ended = gantz(&format!("run --auth 8090 --{flag} --canary")).end().await;
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert!(!ended.to_string().contains("canary"), "{ended}");
        secrets.push(ended.to_string());
    }
    assert_screen!("hyphen_secrets", secrets.join("\n\n"));
}

#[tokio::test]
async fn what_is_no_text_is_named() {
    let mut screens = Vec::new();
    for script in [
        r#"GANTZ_TOKEN=$'gtz_canary\xff' exec "$@" run --auth 8090"#,
        r#"GANTZ_PRINT_CONFIG=$'\xff' exec "$@" run --auth 8090"#,
        r#"exec "$@" run --auth $'canary\xff'"#,
        r#"exec "$@" run --auth 8090 --token $'canary\xff'"#,
        // Files may be called anything: it is the name that is not fine.
        r#"GANTZ_CALL_LOG=$'\xff' GANTZ_NAME=$'\xff' exec "$@" run --auth 8090"#,
    ] {
        let ended = gantz("").script(script).end().await;
        assert_eq!(ended.code(), Some(2), "{script}: {ended}");
        assert!(!ended.to_string().contains("canary"), "{ended}");
        screens.push(ended.to_string());
    }
    assert_screen!("not_utf8", screens.join("\n\n"));
}

#[tokio::test]
async fn without_auth_the_run_is_refused() {
    assert_screen!("auth_left_out", gantz("run 8090").screen(2).await);
}

#[tokio::test]
async fn without_a_target_the_run_is_refused() {
    assert_screen!("target_left_out", screens(2, &["run --auth"]).await);
}

#[tokio::test]
async fn bad_targets() {
    let bad = ["0", "99999", "ftp://127.0.0.1:21", "my_server:x", "server:99999", "a..b:1", "/mcp"];
    let commands = bad.map(|target| format!("run --auth {target}"));
    assert_screen!("bad_target", screens(2, &commands.each_ref().map(String::as_str)).await);
}

#[tokio::test]
async fn a_token_too_short_is_refused_and_not_repeated() {
    let by_flag = gantz("run --auth 8090 --token").arg("hunter2hunter2").end().await;
    assert_eq!(by_flag.code(), Some(2), "{by_flag}");
    assert_screen!("token_too_short", &by_flag);
    assert_screen!("token_of_one_character", gantz("run --auth 8090 --token x").screen(2).await);
    let by_env = gantz("run --auth 8090").env("GANTZ_TOKEN", "hunter2hunter2").end().await;
    let by_file = gantz("run --auth 8090").file("gantz.yaml", "token: hunter2hunter2").end().await;
    for ended in [by_flag, by_env, by_file] {
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert!(!ended.to_string().contains("hunter2"), "{ended}");
    }
}

#[tokio::test]
async fn a_token_that_no_field_can_carry_is_refused_and_not_repeated() {
    let ended = gantz("run --auth 8090 --token").arg("correct horse battery staple").end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(!ended.to_string().contains("horse"), "{ended}");
    assert_screen!("token_with_spaces", &ended);
}

#[tokio::test]
async fn a_token_as_the_value_of_auth_is_not_repeated() {
    let ended = gantz("run 8090 --auth=gtz_canary").end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(!ended.to_string().contains("canary"), "{ended}");
    assert_screen!("auth_with_a_token", &ended);
}

#[tokio::test]
async fn credentials_in_a_wrong_place_are_not_repeated() {
    let mut screens = Vec::new();
    for command in ["run --auth http://me:canary@127.0.0.1:1", "run --auth 1 --upstream-header Bearer-canary"] {
        let ended = gantz(command).end().await;
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert!(!ended.to_string().contains("canary"), "{ended}");
        screens.push(ended.to_string());
    }
    assert_screen!("credentials_in_a_wrong_place", screens.join("\n\n"));
}

#[tokio::test]
async fn a_name_that_is_not_a_dns_label_is_refused_here() {
    let long = format!("--name={}", "a".repeat(64));
    let bad = ["--name=my_tools", "--name=-tools", "--name=xn--tools", "--name=www", "--name=a.b", "--name=", &long];
    let commands = bad.map(|name| format!("run --auth 8090 {name}"));
    assert_screen!("bad_name", screens(2, &commands.each_ref().map(String::as_str)).await);
}

#[tokio::test]
async fn bad_values() {
    let commands = [
        "run --auth 8090 --token-ttl tomorrow",
        "run --auth 8090 --upstream-timeout 5",
        "run --auth 8090 --relay relay.example.com:quic",
        "run --auth 8090 --local-listen 8080",
        "run --auth 8090 --print-config emacs",
        "run --auth 8090 --allow-origin app.example.com",
        "run --auth 8090 --host-header https://localhost",
        "run --auth 8090 --upstream-header bearer",
    ];
    assert_screen!("bad_values", screens(2, &commands).await);
}

#[tokio::test]
async fn a_ca_file_that_is_none() {
    let missing = gantz("run --auth 8090 --relay 127.0.0.1 --relay-ca ca.pem").screen(2).await;
    let empty = gantz("run --auth 8090 --relay 127.0.0.1 --relay-ca ca.pem").file("ca.pem", "").screen(2).await;
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    let broken = gantz("run --auth 8090 --relay 127.0.0.1 --relay-ca ca.pem").file("ca.pem", broken).screen(2).await;
    assert_screen!("bad_relay_ca", [missing, empty, broken].join("\n\n"));
}

/// Every span of time of the command line, with what no clock can count or what is over at once.
#[tokio::test]
async fn spans_that_are_too_short_or_too_long() {
    for (command, flag) in
        [("run 8090", "upstream-timeout"), ("run 8090", "token-ttl"), ("token add", "ttl"), ("token rotate", "grace")]
    {
        for value in ["-1s", "-1", "1ns", "367d", "500000000000y", "99999999999999999999y", "5"] {
            let ended = gantz(&format!("{command} --{flag} {value}")).end().await;
            let named = format!("the value of --{flag} <TIME> cannot be used");
            assert!(ended.code() == Some(2) && ended.stderr.contains(&named), "--{flag} {value}: {ended}");
        }
        // What is all right gets to the next thing that is wrong: --auth is left out, or there is no tunnel.
        for value in ["0", "1s", "366d"] {
            let ended = gantz(&format!("{command} --{flag} {value}")).end().await;
            assert!(!ended.stderr.contains("cannot be used"), "--{flag} {value}: {ended}");
        }
    }
    let ended = gantz("token add --rate -1/s").end().await;
    assert!(ended.stderr.contains("why: `-1/s` is not a rate"), "{ended}");
}
