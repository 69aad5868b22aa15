//! Settings that contradict each other. One rule for all of them: the layer that is heard first ([`super::said`]) beats
//! the other; two of the same layer are an error that names both.

use gantz_shared::failure::{Exit, Failure};

use super::args::{Auth, RunArgs};
use super::call_log;
use super::said::{Layer, Said, Spelled};

/// Two that cannot both be, each a key and, where only one of its values is meant, that.
struct Pair {
    one: (&'static str, Option<&'static str>),
    other: (&'static str, Option<&'static str>),
    why: &'static str,
}

const TARGET_DEMO: Pair =
    Pair { one: ("target", None), other: ("demo", None), why: "a tunnel leads to one server: yours, or the demo" };

const RELAY_LOCAL_LISTEN: Pair = Pair {
    one: ("relay", None),
    other: ("local_listen", None),
    why: "a tunnel has one relay: that one, or the one inside this process",
};

const RELAY_PROFILE: Pair =
    Pair { one: ("relay", None), other: ("profile", None), why: "a profile says which relay, and a tunnel has one" };

const PROFILE_LOCAL_LISTEN: Pair = Pair {
    one: ("profile", None),
    other: ("local_listen", None),
    why: "a tunnel has one relay: that of the profile, or the one inside this process",
};

const JSON_PRINT_CONFIG: Pair = Pair {
    one: ("json", None),
    other: ("print_config", None),
    why: "stdout has one reader: a program, or a person who pastes",
};

const TOKEN_NONE: Pair = Pair {
    one: ("token", None),
    other: ("auth", Some("none")),
    why: "the one asks callers for a token, the other for nothing",
};

const ARGUMENTS_NONE: Pair = Pair {
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

enum One {
    First,
    Other,
}

impl Pair {
    fn first(&self, said: &Said) -> Result<One, Failure> {
        let spelled = |(key, value): (&'static str, Option<&'static str>)| {
            // What nobody has said contradicts nothing; there is no such default.
            let layer = said.layer(key).unwrap_or(&Layer::Flag);
            Spelled { key, value, layer }
        };
        let (one, other) = (spelled(self.one), spelled(self.other));
        if one.layer == other.layer {
            return Err(Failure::new(Exit::Usage, format!("{one} and {other} contradict each other"))
                .why(self.why)
                .hint("one of them alone; a flag would beat the environment, and that the files"));
        }
        Ok(if one.layer < other.layer { One::First } else { One::Other })
    }
}
