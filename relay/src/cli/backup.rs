//! `gantz-relay backup` and `gantz-relay restore`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use gantz_shared::failure::{Exit, Failure};

use super::state_folder::StateFolder;
use crate::access::AccessError;
use crate::backup::{BackupError, make, restore};

/// Of `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// A new file for it, or - for the standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    state: StateFolder,
}

/// Of `restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// What `backup` has made, or - for the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    state: StateFolder,
}

pub(super) fn back_up(args: &BackupArgs) -> Result<Exit, Failure> {
    let dir = args.state.path()?;
    if is_standard(&args.file) {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(Failure::new(Exit::Usage, "a backup is not for a terminal")
                .why("it is a file, with the relay's keys in it")
                .hint("gantz-relay backup - > gantz-backup.tar"));
        }
        let target = redirected(&stdout);
        make(&dir, &mut BufWriter::new(stdout.lock()), target.as_ref()).map_err(|error| no_backup(&error))?;
        return Ok(Exit::Fine);
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&args.file).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot make {}", args.file.display()))
            .why(error)
            .hint("a file that is not there yet, in a folder that this user may write to; - for the standard output")
    })?;
    let made = write(&dir, &file);
    if made.is_err() {
        // Half a backup is none; what failed is said.
        let _ = fs::remove_file(&args.file);
    }
    made.map_err(|error| no_backup(&error))?;
    gantz_cli::print(format!("{}: whoever has it can be this relay.\n", args.file.display()).as_bytes())
}

fn write(dir: &Path, file: &File) -> Result<(), BackupError> {
    let target = file.metadata().map_err(BackupError::Unwritten)?;
    let mut out = BufWriter::new(file);
    make(dir, &mut out, Some(&target))?;
    out.flush().and_then(|()| file.sync_all()).map_err(BackupError::Unwritten)
}

/// Of the file that the standard output goes to, where it does.
#[cfg(unix)]
fn redirected(stdout: &io::Stdout) -> Option<fs::Metadata> {
    use std::os::fd::AsFd;
    let file = File::from(stdout.as_fd().try_clone_to_owned().ok()?);
    file.metadata().ok().filter(fs::Metadata::is_file)
}

#[cfg(not(unix))]
fn redirected(_: &io::Stdout) -> Option<fs::Metadata> {
    None
}

pub(super) fn bring_back(args: &RestoreArgs) -> Result<Exit, Failure> {
    let dir = args.state.path()?;
    let restored = if is_standard(&args.file) {
        restore(&dir, &mut io::stdin().lock())
    } else {
        let mut file = File::open(&args.file).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot read {}", args.file.display()))
                .why(error)
                .hint("a file that `gantz-relay backup` has made")
        })?;
        restore(&dir, &mut file)
    };
    restored.map_err(|error| not_restored(&error))?;
    gantz_cli::print(format!("Restored into {}.\n", dir.display()).as_bytes())
}

fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn no_backup(error: &BackupError) -> Failure {
    Failure::new(Exit::Failed, "there is no backup").why(error).hint(match error {
        BackupError::Unwritten(_) => "a file on a disk with room for it",
        BackupError::IntoItself(_) => "a FILE elsewhere, which others cannot read either",
        BackupError::TooLarge(_) => "moving it away: it is not the relay's",
        BackupError::Nothing(_) => "--state-dir with the folder that `gantz-relay serve` uses",
        BackupError::Access(AccessError::Newer(_)) => "the gantz-relay that serves with this folder",
        BackupError::Access(AccessError::Database(_) | AccessError::Damaged(_)) => "an earlier backup",
        _ => "the user that the relay runs as",
    })
}

fn not_restored(error: &BackupError) -> Failure {
    Failure::new(Exit::Failed, "nothing was restored").why(error).hint(match error {
        BackupError::Occupied(_) => {
            "stopping the relay, and moving what is there away, or another folder with --state-dir"
        }
        BackupError::Stranger(_) | BackupError::CutOff => "the whole file that `gantz-relay backup` has made",
        BackupError::Newer(_) | BackupError::Access(AccessError::Newer(_)) => "that gantz-relay, or a later one",
        BackupError::Access(_) => "another backup",
        _ => "the user that the relay runs as, or a folder that this user may write to with --state-dir",
    })
}
