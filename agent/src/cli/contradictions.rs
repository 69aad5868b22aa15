//! Settings of `gantz run` that contradict each other.

use gantz_cli::{One, Pair, Said};
use gantz_shared::failure::Failure;

use super::args::{Auth, RunArgs};
use super::call_log;

const TARGET_DEMO: Pair<'static> =
    Pair { one: ("target", None), other: ("demo", None), why: "a tunnel leads to one server: yours, or the demo" };

const RELAY_LOCAL_LISTEN: Pair<'static> = Pair {
    one: ("relay", None),
    other: ("local_listen", None),
    why: "a tunnel has one relay: that one, or the one inside this process",
};

const RELAY_PROFILE: Pair<'static> =
    Pair { one: ("relay", None), other: ("profile", None), why: "a profile says which relay, and a tunnel has one" };

const PROFILE_LOCAL_LISTEN: Pair<'static> = Pair {
    one: ("profile", None),
    other: ("local_listen", None),
    why: "a tunnel has one relay: that of the profile, or the one inside this process",
};

const JSON_PRINT_CONFIG: Pair<'static> = Pair {
    one: ("json", None),
    other: ("print_config", None),
    why: "stdout has one reader: a program, or a person who pastes",
};

const TOKEN_NONE: Pair<'static> = Pair {
    one: ("token", None),
    other: ("auth", Some("none")),
    why: "the one asks callers for a token, the other for nothing",
};

const ARGUMENTS_NONE: Pair<'static> = Pair {
    one: ("log_arguments", None),
    other: ("call_log", Some("none")),
    why: "arguments are written to the log of calls, and the other asks for none",
};

/// Leaves of each pair the one that is heard.
pub(super) fn settle(args: &mut RunArgs, said: &Said) -> Result<(), Failure> {
    if args.target.is_some() && args.demo == Some(true) {
        match TARGET_DEMO.first(said)? {
            One::First => args.demo = None,
            One::Other => args.target = None,
        }
    }
    if args.relay.is_some() && args.local_listen.is_some() {
        match RELAY_LOCAL_LISTEN.first(said)? {
            One::First => args.local_listen = None,
            One::Other => args.relay = None,
        }
    }
    if args.relay.is_some() && args.profile.is_some() {
        match RELAY_PROFILE.first(said)? {
            One::First => args.profile = None,
            One::Other => args.relay = None,
        }
    }
    if args.profile.is_some() && args.local_listen.is_some() {
        match PROFILE_LOCAL_LISTEN.first(said)? {
            One::First => args.local_listen = None,
            One::Other => args.profile = None,
        }
    }
    if args.json == Some(true) && args.print_config.is_some() {
        match JSON_PRINT_CONFIG.first(said)? {
            One::First => args.print_config = None,
            One::Other => args.json = None,
        }
    }
    if args.token.is_some() && args.auth == Some(Auth::None) {
        match TOKEN_NONE.first(said)? {
            // What is left of the two asks callers for a token.
            One::First => args.auth = Some(Auth::Token),
            One::Other => args.token = None,
        }
    }
    if args.log_arguments == Some(true) && args.call_log.as_deref().is_some_and(call_log::is_none) {
        match ARGUMENTS_NONE.first(said)? {
            // What is left of the two is a log where it is by default.
            One::First => args.call_log = None,
            One::Other => args.log_arguments = None,
        }
    }
    Ok(())
}
