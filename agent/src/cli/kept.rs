//! Which tunnel this run is, what the last one has left of it, and what of that has come back.

use std::path::Path;
use std::sync::Arc;

use gantz_shared::control::{Secret, Welcome};
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::name::Name;
use tokio::sync::watch;

use super::args::{Auth, RunArgs};
use super::credentials::Origin;
use super::printer::Printer;
use crate::kept::{Keeper, Kept, Lock, NoLock, Place, Project, Tokens};
use crate::tokens::{Book, Snapshot};

/// What stands for the relay inside this process: its port may be another one each time.
const INSIDE: &str = "inside";

/// The tunnel of a project, which is this process's own.
#[derive(Debug, Default)]
pub(super) struct Tunnel {
    /// None where nothing can be kept.
    place: Option<Place>,
    _lock: Option<Lock>,
    /// Its name and the relay's ticket for it.
    ticket: Option<(Name, Secret)>,
    tokens: Snapshot,
}

impl Tunnel {
    /// Takes the tunnel, unless another process runs it. Whatever else is in the way is said, and the run goes on.
    pub(super) fn take(args: &RunArgs, printer: Printer) -> Result<Self, Failure> {
        let relay = args.relay.as_ref().map_or_else(|| INSIDE.to_owned(), ToString::to_string);
        let place = project(args).and_then(|project| {
            let place = Place::of_user(&relay, &project).map_err(|error| error.to_string())?;
            Ok((place, project))
        });
        let (place, project) = match place {
            Ok(place) => place,
            Err(why) => {
                warn_not_kept(printer, &why);
                return Ok(Self::default());
            }
        };
        let lock = match place.lock() {
            Ok(lock) => Some(lock),
            Err(NoLock::Taken(pid)) => return Err(taken(&project, &relay, pid)),
            Err(error) => {
                tracing::debug!(%error, "tunnel not locked");
                None
            }
        };
        let kept = read(&place, printer);
        let is_new = args.new == Some(true);
        // A name that is asked for is no other one because the rest is to be fresh.
        let ticket = kept.as_ref().filter(|_| args.relay.is_some() && (!is_new || args.name.is_some()));
        let ticket = ticket.map(|kept| (kept.name.clone(), kept.ticket.clone()));
        let tokens = kept.filter(|_| !is_new).map(|kept| kept.tokens).unwrap_or_default();
        Ok(Self { place: Some(place), _lock: lock, ticket, tokens })
    }

    /// The tokens of the last run.
    pub(super) fn tokens(&self) -> &Snapshot {
        &self.tokens
    }

    /// What brings the name back.
    pub(super) fn ticket(&self) -> Option<Secret> {
        self.ticket.as_ref().map(|(_, ticket)| ticket.clone())
    }

    /// Begins to keep the tunnel, which was opened with `welcome`, and whose tokens are in `book`.
    pub(super) async fn keep(
        &self,
        args: &RunArgs,
        book: &Arc<Book>,
        welcome: &Welcome,
        reopened: watch::Receiver<Option<Welcome>>,
        printer: Printer,
    ) -> Option<Arc<Keeper>> {
        let tokens = match args.auth {
            Some(Auth::None) => Tokens::AsTheyWere(self.tokens.clone()),
            _ => Tokens::Of(book.clone()),
        };
        let warn = Arc::new(move |why: &str| warn_not_kept(printer, why));
        Some(Arc::new(Keeper::start(self.place.clone()?, welcome.clone(), reopened, tokens, warn).await))
    }

    /// Says what is as it was the last time, and what is not.
    pub(super) fn compare(&self, welcome: &Welcome, origin: Origin, printer: Printer) {
        let is_same_token = origin == Origin::Kept;
        match &self.ticket {
            Some((name, _)) if *name != welcome.name => {
                printer.note(&format!(
                    "the URL has changed: the relay does not know the ticket of {name} any more, and has given {}",
                    welcome.name
                ));
                if is_same_token {
                    printer.note("same token as last time (--new for a fresh one)");
                }
            }
            Some(_) if is_same_token => printer.note("same tunnel as last time (--new for a fresh one)"),
            Some(_) => printer.note("same URL as last time (--new for a fresh one)"),
            None if is_same_token => printer.note("same token as last time (--new for a fresh one)"),
            None => {}
        }
        if origin == Origin::Expired {
            printer.note("a fresh token: the one of last time has expired");
        }
    }
}

fn project(args: &RunArgs) -> Result<Project, String> {
    if let Some(name) = &args.name {
        return Ok(Project::Named(name.clone()));
    }
    let folder = std::env::current_dir().and_then(std::fs::canonicalize);
    let folder = folder.map_err(|error| format!("the folder where gantz runs is not known: {error}"))?;
    Ok(if args.auth == Some(Auth::None) { Project::OpenFolder(folder) } else { Project::Folder(folder) })
}

/// What the last run has left, if it can be used.
fn read(place: &Place, printer: Printer) -> Option<Kept> {
    let error = match place.read() {
        Ok(kept) => return kept,
        Err(error) => error,
    };
    let file = place.file();
    let then = match place.set_aside() {
        Ok(aside) => format!("moved to {}", file_name(&aside)),
        Err(error) => format!("and cannot be moved away: {error}"),
    };
    printer.note(&format!("warning: what was kept of this tunnel is not used: {}: {error} ({then})", file.display()));
    None
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn warn_not_kept(printer: Printer, why: &str) {
    printer.note(&format!("warning: the next run may have another URL and token, as they cannot be kept: {why}"));
}

fn taken(project: &Project, relay: &str, pid: Option<u32>) -> Failure {
    let process = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let whose = match project {
        Project::Named(name) => format!("the name {name}"),
        Project::Folder(folder) | Project::OpenFolder(folder) => folder.display().to_string(),
    };
    let place = if relay == INSIDE { String::new() } else { format!(" at {relay}") };
    Failure::new(Exit::Failed, format!("the tunnel of this project is running already, in {process}"))
        .why(format!("{whose} has one tunnel{place}; with two, one would take the URL from the other"))
        .hint("gantz status to see it; stopping it, or --name OTHER for a second tunnel")
}
