//! The library's errors as screens: what happened, why, and what to try.

use gantz_shared::control::RefusalCode;
use gantz_shared::failure::{Exit, Failure};
use gantz_transport::ConnectError;

use crate::agent::StartError;
use crate::config::RelayAddress;
use crate::tunnel::OpenError;

/// Why there is no tunnel to `relay`.
pub(super) fn open(error: &OpenError, relay: &RelayAddress) -> Failure {
    let unreachable =
        |hint: String| Failure::new(Exit::Unreachable, format!("cannot reach the relay {relay}")).why(error).hint(hint);
    match error {
        OpenError::Unresolved(_) => unreachable("check the spelling of --relay, and whether this machine is online".into()),
        OpenError::Connect(ConnectError::Timeout) => unreachable(format!(
            "check that the relay runs, and that UDP port {} is open on the way",
            relay.port
        )),
        OpenError::Connect(ConnectError::TcpTimeout) => unreachable(format!(
            "check that the relay runs, and that TCP port {} is open on the way",
            relay.port
        )),
        OpenError::Blocked { .. } => unreachable(format!(
            "check that the relay runs, and that port {} is open on the way: over UDP, or at least over TCP",
            relay.port
        )),
        OpenError::Connect(ConnectError::Certificate(_)) => {
            unreachable("--relay-ca FILE with that relay's ca.pem if it has a CA of its own, else --relay with the name in its certificate".into())
        }
        OpenError::Connect(ConnectError::Protocol) => {
            Failure::new(Exit::Refused, format!("the relay {relay} speaks another version of the tunnel protocol"))
                .why(error)
                .hint("the newest gantz, or the version that the relay's operator names")
        }
        OpenError::Refused(refused) => {
            let hint = match refused.code {
                RefusalCode::BadKey => "--key with an access key of this relay, which its operator hands out",
                RefusalCode::NameTaken => "another --name, or none for a random one",
                RefusalCode::QuotaReached => "closing one of this key's tunnels, or asking the relay's operator",
                RefusalCode::NameNotAllowed => "a --name that the key is for, or none for a random one",
                RefusalCode::InvalidName => "a name of letters, digits and hyphens, at most 63",
                RefusalCode::TooOld => "a newer gantz",
                RefusalCode::RelayFull | RefusalCode::Draining => "again in a minute",
                _ => "asking the relay's operator",
            };
            Failure::new(Exit::Refused, format!("the relay {relay} does not open the tunnel"))
                .why(&refused.message)
                .hint(hint)
        }
        OpenError::Replaced => Failure::new(Exit::Refused, "another gantz has taken this tunnel over")
            .why("it came with the same resume ticket or access key, and the newest one keeps the name")
            .hint("stopping the other one before starting this one again, --new for another URL and token, or --name for a tunnel of its own"),
        OpenError::Trust(_) => {
            Failure::new(Exit::Failed, "no certificate authority can be used").why(error).hint("--relay-ca FILE")
        }
        _ => unreachable("again in a moment; -v says more".into()),
    }
}

/// Why the agent did not start.
pub(super) fn start(error: &StartError, relay: &RelayAddress) -> Failure {
    match error {
        StartError::Open(error) => open(error, relay),
        StartError::Upstream(why) => Failure::new(Exit::Failed, "the local server cannot be called").why(why),
    }
}

/// Why a tunnel that was open came to its end unasked.
pub(super) fn ended(ended: Result<(), OpenError>, relay: &RelayAddress) -> Failure {
    match ended {
        Err(error) => open(&error, relay),
        Ok(()) => Failure::new(Exit::Failed, "the tunnel ended by itself").hint("again; -v says more"),
    }
}
