//! Which of this user's running tunnels a command is about.

use gantz_shared::failure::{Exit, Failure, printable};

use super::printer::say;
use crate::control::client::{self, Running};
use crate::control::{Answer, Command, Place};

/// All that run.
pub(super) fn all() -> Result<Vec<Running>, Failure> {
    let failed = |why: String| Failure::new(Exit::Failed, "the running tunnels cannot be found").words(&why);
    let place = Place::of_user().map_err(|error| failed(error.to_string()))?;
    let found = client::running(&place).map_err(|error| failed(error.to_string()))?;
    for socket in found.silent {
        let socket = socket.display().to_string();
        say(&format!("  note: who listens on {} does not answer; its tunnel is left out\n", printable(&socket)));
    }
    Ok(found.running)
}

/// The one with this name; without a name, the only one.
pub(super) fn one(name: Option<&str>) -> Result<Running, Failure> {
    let mut running = all()?;
    let names =
        |running: &[Running]| running.iter().map(|running| running.tunnel.name.as_str()).collect::<Vec<_>>().join(", ");
    if running.is_empty() {
        return Err(Failure::new(Exit::Failed, "no tunnel is running")
            .why("`gantz run` of this user on this machine is what this command talks to")
            .hint("gantz run --auth 8090 in another terminal"));
    }
    let Some(name) = name else {
        if running.len() > 1 {
            return Err(Failure::new(Exit::Usage, "more than one tunnel is running")
                .why(format!("they are {}", names(&running)))
                .hint("--name with one of them"));
        }
        return Ok(running.remove(0));
    };
    match running.iter().position(|running| running.tunnel.name.eq_ignore_ascii_case(name)) {
        Some(at) => Ok(running.swap_remove(at)),
        None => Err(Failure::new(Exit::Usage, format!("no tunnel named `{name}` is running"))
            .why(format!("running: {}", names(&running)))
            .hint("--name with one of them")),
    }
}

/// Its answer to `command`; a refusal is a failure.
pub(super) fn ask(running: &Running, command: &Command) -> Result<Answer, Failure> {
    match running.ask(command) {
        Ok(Answer::Refused(refusal)) => {
            Err(Failure::new(Exit::Failed, format!("{} refuses", running.tunnel.name)).words(&refusal.why))
        }
        Ok(answer) => Ok(answer),
        Err(error) => Err(Failure::new(Exit::Failed, format!("{} does not answer", running.tunnel.name))
            .why(error)
            .hint("gantz status says what is running")),
    }
}

/// An answer that does not go with its command.
pub(super) fn unexpected(running: &Running) -> Failure {
    Failure::new(Exit::Failed, format!("{} answers something else", running.tunnel.name))
        .why("it is another version of gantz")
        .hint("the same version on both sides")
}
