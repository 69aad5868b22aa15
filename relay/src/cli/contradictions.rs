//! Settings of `gantz-relay serve` that contradict each other: a certificate in files, and a source of certificates that is
//! none.

use clap::ValueEnum;
use gantz_cli::{One, Pair, Said};
use gantz_shared::failure::Failure;

use super::acme;
use super::args::{ServeArgs, TlsArg};

/// Leaves the ones that are heard, in `said` too; what is said twice in one layer, otherwise.
pub(super) fn settle(args: &mut ServeArgs, said: &mut Said) -> Vec<Failure> {
    let settled = [tls_files(args, said), tls_acme(args, said), args.acme.settle(said)];
    settled.into_iter().filter_map(Result::err).collect()
}

fn tls_acme(args: &mut ServeArgs, said: &mut Said) -> Result<(), Failure> {
    if args.tls == TlsArg::Acme || said.layer("tls").is_none() {
        return Ok(());
    }
    let Some(key) = acme::first_of(said, &acme::KEYS) else { return Ok(()) };
    let value = args.tls.to_possible_value();
    let pair = Pair {
        one: ("tls", value.as_ref().map(|value| value.get_name())),
        other: (key, None),
        why: "only --tls acme orders certificates",
    };
    match pair.first(said)? {
        One::First => acme::KEYS.iter().for_each(|key| said.forget(key)),
        One::Other => {
            args.tls = TlsArg::Acme;
            said.imply("tls", "acme", key);
        }
    }
    Ok(())
}

fn tls_files(args: &mut ServeArgs, said: &mut Said) -> Result<(), Failure> {
    // A default contradicts nothing.
    if args.tls == TlsArg::Files || said.layer("tls").is_none() {
        return Ok(());
    }
    let files = ["tls_cert", "tls_key"].into_iter().filter_map(|key| Some((said.layer(key)?, key)));
    let Some((_, key)) = files.min() else { return Ok(()) };
    let value = args.tls.to_possible_value();
    let pair = Pair {
        one: ("tls", value.as_ref().map(|value| value.get_name())),
        other: (key, None),
        why: "only --tls files has a use for files",
    };
    match pair.first(said)? {
        One::First => {
            (args.tls_cert, args.tls_key) = (None, None);
            said.forget("tls_cert");
            said.forget("tls_key");
        }
        One::Other => {
            args.tls = TlsArg::Files;
            said.imply("tls", "files", key);
        }
    }
    Ok(())
}
