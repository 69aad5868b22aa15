//! Makes room for a new file: `audit.log` becomes `audit.log.1`, `.1` becomes `.2`, and so on; the oldest goes.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// After this there is nothing at `path`. Stopped half way, it leaves a gap in the numbers, and the next call fills it
/// before it gives up any file.
pub(crate) fn rotate(path: &Path, kept: u32) -> io::Result<()> {
    remove_beyond(path, kept);
    if kept == 0 {
        return fs::remove_file(path);
    }
    let mut free = 1;
    while free < kept && numbered(path, free).symlink_metadata().is_ok() {
        free += 1;
    }
    for number in (1..free).rev() {
        fs::rename(numbered(path, number), numbered(path, number + 1))?;
    }
    fs::rename(path, numbered(path, 1))
}

/// What is left of a time when more were kept. It is in nobody's way: failing to remove it is no failure.
fn remove_beyond(path: &Path, kept: u32) {
    let mut number = kept;
    while let Some(next) = number.checked_add(1)
        && fs::remove_file(numbered(path, next)).is_ok()
    {
        number = next;
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the files in a folder hold, in the order of their names.
    fn held(folder: &Path) -> Vec<(String, String)> {
        let mut held: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.extension().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
            .collect();
        held.sort();
        held
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for text in ["a", "b", "c", "d"] {
            fs::write(&path, text).unwrap();
            rotate(&path, 2).unwrap();
        }
        assert_eq!(held(folder.path()), pairs(&[("1", "d"), ("2", "c")]));
    }

    #[test]
    fn a_gap_is_filled_before_anything_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for (name, text) in [("log", "new"), ("log.1", "1"), ("log.3", "3")] {
            fs::write(path.with_extension(name), text).unwrap();
        }
        rotate(&path, 3).unwrap();
        assert_eq!(held(folder.path()), pairs(&[("1", "new"), ("2", "1"), ("3", "3")]));
    }

    #[test]
    fn a_smaller_number_of_files_takes_effect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for name in ["log", "log.1", "log.2", "log.3", "log.4"] {
            fs::write(path.with_extension(name), name).unwrap();
        }
        rotate(&path, 2).unwrap();
        assert_eq!(held(folder.path()), pairs(&[("1", "log"), ("2", "log.1")]));
        fs::write(&path, "last").unwrap();
        rotate(&path, 0).unwrap();
        assert_eq!(held(folder.path()), pairs(&[]));
    }
}
