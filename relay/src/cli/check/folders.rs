//! Whether the state folder and the audit log could be used, or made, by this user.

use std::fs;
use std::io;
use std::path::Path;

use gantz_shared::failure::{Exit, Failure};

use crate::StartError;
use crate::access::{Database, FILE};
use crate::cli::args::{AccessArg, ServeArgs};
use crate::cli::serve;
use crate::state;

/// What the relay would write to in the state folder.
const WRITTEN: &[&str] = &[FILE];

/// What it would read there.
const KEYS: &[&str] = &["ticket.key", "ticket.old.key", "reset.key"];

/// All that is wrong with the state folder.
pub(super) fn state(dir: &Path, args: &ServeArgs) -> Vec<Failure> {
    let unusable = |path: &Path, why: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, "cannot use the state folder")
            .why(format!("{}: {why}", path.display()))
            .hint("a folder that this user may write to with --state-dir")
    };
    if let Err(error) = could_write_into(dir) {
        return vec![unusable(dir, &error)];
    }
    let there = WRITTEN.iter().map(|name| dir.join(name)).filter(|path| path.exists());
    let mut wrong: Vec<_> = there
        .filter_map(|path| Some((may_write(&path).err()?, path)))
        .map(|(error, path)| unusable(&path, &error))
        .collect();
    let failed = |error: StartError| serve::start_failure(&error, args);
    let keys = KEYS.iter().filter_map(|name| state::read_key(&dir.join(name)).err());
    wrong.extend(keys.map(|error| failed(error.into())));
    if args.access == AccessArg::Keys {
        wrong.extend(Database::look(&dir.join(FILE)).err().map(|error| failed(error.into())));
    }
    wrong
}

/// What is wrong with the place of the audit log.
pub(super) fn audit_log(state_dir: &Path, args: &ServeArgs) -> Option<Failure> {
    let usual = state_dir.join("audit").join(gantz_audit::FILE_NAME);
    let path = match &args.audit_log {
        Some(none) if none.as_os_str() == "none" => return None,
        Some(path) => path,
        None => &usual,
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let checked = match fs::metadata(path) {
        Ok(file) if file.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => may_write(path).and_then(|()| could_write_into(folder)),
        // One that is in the state folder is said to be wrong there.
        Err(_) if args.audit_log.is_none() && could_write_into(state_dir).is_err() => Ok(()),
        Err(_) => could_write_into(folder),
    };
    let error = checked.err()?;
    Some(
        Failure::new(Exit::Failed, format!("cannot write the audit log {}", path.display()))
            .why(error)
            .hint("a file in a folder that this user may write to with --audit-log, or `none`"),
    )
}

/// Whether this user may write into the folder; or make it, where it is not there.
pub(super) fn could_write_into(folder: &Path) -> io::Result<()> {
    for folder in folder.ancestors() {
        // Of a relative path, the last one is where this process runs.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match fs::metadata(folder) {
            Ok(found) if !found.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
            Ok(_) => return may_write(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// As the one that this process is now.
#[cfg(unix)]
fn may_write(path: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let access = if path.is_dir() { Access::WRITE_OK | Access::EXEC_OK } else { Access::WRITE_OK | Access::READ_OK };
    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
fn may_write(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().readonly() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}
