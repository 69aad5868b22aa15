use serde_json::{Value, json};

use super::*;

const MISSING: Why = Why::AuthFailed(Code::MissingToken);
const WRONG: Why = Why::AuthFailed(Code::InvalidToken);

/// The second of a day.
fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The number of an address of its own network.
fn network_number(number: usize) -> IpAddr {
    std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | (number as u128) << 64 | 1).into()
}

fn told(gathered: &mut Gathered) -> Vec<Value> {
    let mut lines: Vec<_> = gathered.tell().iter().map(|line| serde_json::to_value(line).unwrap()).collect();
    lines.sort_by_key(Value::to_string);
    lines
}

#[test]
fn the_first_is_a_line_and_the_rest_one_more_at_the_end() {
    let mut gathered = Gathered::default();
    let first = gathered.take(MISSING, ip("192.0.2.1"), "calm-owl", at(0)).unwrap();
    let expected = json!({"event":"auth_failed","source":"192.0.2.1","name":"calm-owl","code":"missing_token"});
    assert_eq!(serde_json::to_value(&first).unwrap(), expected);
    for second in 1..=1000 {
        assert_eq!(gathered.take(MISSING, ip("192.0.2.1"), "calm-owl", at(second)), None);
    }
    let expected = json!({
        "event": "auth_failed", "source": "192.0.2.1", "name": "calm-owl", "code": "missing_token",
        "count": 1000, "first": "1970-01-01T00:00:01.000Z", "last": "1970-01-01T00:16:40.000Z",
    });
    assert_eq!(told(&mut gathered), [expected]);
}

#[test]
fn whoever_goes_on_is_one_line_an_interval_until_there_is_quiet() {
    let mut gathered = Gathered::default();
    let take = |gathered: &mut Gathered| gathered.take(MISSING, ip("192.0.2.1"), "a", at(0)).is_some();
    assert!(take(&mut gathered) && !take(&mut gathered));
    assert_eq!(told(&mut gathered).len(), 1);
    assert!(!take(&mut gathered), "still the same flood");
    assert_eq!(told(&mut gathered)[0]["count"], 1);
    assert!(told(&mut gathered).is_empty(), "quiet");
    assert!(take(&mut gathered));
    assert!(told(&mut gathered).is_empty(), "one is no repetition");
    assert!(take(&mut gathered));
}

/// An agent that opens tunnels and changes tokens in a loop washes nothing away, whatever names it takes.
#[test]
fn what_agents_repeat_is_gathered_by_source() {
    const OPENED: Why = Why::Agent("tunnel_opened", None);
    let refused = Why::Agent("tunnel_refused", Some("name_taken"));
    let mut gathered = Gathered::default();
    for why in [OPENED, refused] {
        let lines = (0..1000).filter(|second| gathered.is_line(why, ip("192.0.2.1"), "", at(*second)));
        assert_eq!(lines.count(), OF_AGENTS as usize);
        assert!(gathered.is_line(why, ip("192.0.2.2"), "", at(0)), "another one's is told");
    }
    let count = |event: &str| {
        json!({ "event": event, "source": "192.0.2.1", "count": 940,
                "first": "1970-01-01T00:01:00.000Z", "last": "1970-01-01T00:16:39.000Z" })
    };
    let mut refused = count("tunnel_refused");
    refused["code"] = "name_taken".into();
    let mut expected = [count("tunnel_opened"), refused];
    expected.sort_by_key(Value::to_string);
    assert_eq!(told(&mut gathered), expected);
}

#[test]
fn what_differs_is_told_apart() {
    let mut gathered = Gathered::default();
    for (why, source, name) in [
        (MISSING, "192.0.2.1", "a"),
        (WRONG, "192.0.2.1", "a"),
        (Why::RateLimited("guesses"), "192.0.2.1", "a"),
        (Why::RateLimited("token"), "192.0.2.1", "a"),
        (MISSING, "192.0.2.2", "a"),
        (MISSING, "192.0.2.1", "b"),
        (MISSING, "2001:db8::1", "a"),
        (MISSING, "2001:db8:0:1::1", "a"),
    ] {
        assert!(gathered.take(why, ip(source), name, at(0)).is_some(), "{why:?} {source} {name}");
    }
    assert!(gathered.take(MISSING, ip("2001:db8::2"), "a", at(0)).is_none(), "its network is one source");
    assert!(gathered.take(MISSING, ip("::ffff:192.0.2.1"), "a", at(0)).is_none());
    let sources: Vec<_> = told(&mut gathered).iter().map(|line| line["source"].clone()).collect();
    assert_eq!(sources, ["192.0.2.1", "2001:db8::/64"]);
}

#[test]
fn wrong_tokens_are_a_line_each_while_they_are_few() {
    let mut gathered = Gathered::default();
    for _ in 0..WRONG_TOKENS {
        assert!(gathered.take(WRONG, ip("192.0.2.1"), "a", at(0)).is_some());
    }
    assert!(gathered.take(WRONG, ip("192.0.2.1"), "a", at(0)).is_none());
    assert_eq!(told(&mut gathered)[0]["count"], 1);
}

#[test]
fn from_too_many_sources_every_event_is_still_counted() {
    let mut gathered = Gathered::default();
    let (sources, times) = (3 * SOURCES, 4);
    let mut at_once = 0;
    for _ in 0..times {
        for number in 0..sources {
            at_once += u64::from(gathered.take(MISSING, network_number(number), "a", at(0)).is_some());
        }
    }
    assert!(at_once <= LINES_AT_ONCE as u64);
    assert!(gathered.take(WRONG, network_number(sources), "a", at(0)).is_some(), "another reason has its own room");
    let lines = told(&mut gathered);
    assert!(lines.len() <= SOURCES + 1);
    assert_eq!(
        at_once + lines.iter().map(|line| line["count"].as_u64().unwrap()).sum::<u64>(),
        (sources * times) as u64
    );
    let others: Vec<_> = lines.iter().filter(|line| line.get("source").is_none()).collect();
    assert_eq!(others.len(), 1);
    assert_eq!(others[0]["sources_at_least"], SOURCES, "as many as it counts");
    assert_eq!(others[0]["count"], 2 * SOURCES * times);
    assert!(others[0].get("name").is_none());
}

#[test]
fn lines_at_once_are_bounded_over_all_sources() {
    let mut gathered = Gathered::default();
    let mut at_once = 0;
    for number in 0..SOURCES {
        for _ in 0..WRONG_TOKENS {
            at_once += usize::from(gathered.take(WRONG, network_number(number), "a", at(0)).is_some());
        }
    }
    assert_eq!(at_once, LINES_AT_ONCE);
    let told: u64 = told(&mut gathered).iter().map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(at_once as u64 + told, (SOURCES * WRONG_TOKENS as usize) as u64);
}
