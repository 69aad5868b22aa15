//! What a relay needs to be itself again, in one tar file.
//!
//! ```text
//! state folder ─▶ make ─▶ tar with an END ─▶ restore ─▶ a stage in the state folder ─▶ state folder
//! ```
//!
//! - It is made beside a relay that runs. Its small files are each written whole ([`crate::state::write`]), and the database
//!   is read in one transaction, which a copy of its files would not be.
//! - It is restored whole or not at all, into a folder that holds nothing yet: nobody's keys are mixed with others'.
//! - What only history is made of (the audit log) or only a running relay has a use for (sockets, SQLite's files
//!   beside the database) is not in it.

mod make;
mod restore;

use std::io;
use std::path::PathBuf;

use crate::access::AccessError;
use crate::state::StateError;

pub(crate) use make::make;
pub(crate) use restore::restore;

/// The last entry, with the [`FORM`] in it: a tar file that was cut off between two entries looks whole.
const END: &str = "gantz-backup";

/// The form of what this version makes.
const FORM: u32 = 1;

/// Where in the state folder a backup is unpacked and tried before anything of it counts.
pub(crate) const STAGE: &str = ".restore";

/// Bytes of one file in a backup. 10,000 access keys with all their names are some 60 MB.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// Why there is no backup, or none is restored. None of them holds what is in the files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// A file of the state folder, or what the backup is read from or written to.
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// Another one of the state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database.
    #[error("access.db: {0}")]
    Access(#[from] AccessError),
    /// The backup cannot be written.
    #[error("the backup cannot be written: {0}")]
    Unwritten(io::Error),
    /// It would be taken into itself, and the next time into the next one.
    #[error("{} is in the state folder itself", .0.display())]
    IntoItself(PathBuf),
    /// No relay has written it, and [`restore()`] would refuse it.
    #[error("{} is in the state folder and larger than {} MiB, which no file of a relay is", .0.display(), MAX_FILE / 1024 / 1024)]
    TooLarge(PathBuf),
    /// There is nothing to be backed up.
    #[error("no relay has kept its state in {}", .0.display())]
    Nothing(PathBuf),
    /// The state folder has something in it.
    #[error("{} is not empty, and a backup is restored into an empty folder", .0.display())]
    Occupied(PathBuf),
    /// What is read is something else.
    #[error("this is no backup of gantz-relay ({0})")]
    Stranger(String),
    /// It has a beginning, and no [`END`].
    #[error("the end of the backup is missing")]
    CutOff,
    /// A later version has made it.
    #[error("a newer gantz-relay has made it (form {0})")]
    Newer(u32),
}

fn failed(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.into();
    move |source| BackupError::Io { action, path, source }
}
