//! A checkout of this very tree, with changes that are not committed, for commands that are typed in one.

use std::path::{Path, PathBuf};
use std::process::Command;

use gantz_tests::binaries;

/// See the module's head.
pub(crate) struct Checkout(PathBuf);

impl Checkout {
    /// Makes one in `folder`, which is emptied.
    pub(crate) fn new(folder: PathBuf) -> Self {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        let script = r#"git ls-files -z --cached --others --exclude-standard --deduplicate | tar --create --null --files-from=- \
                        --ignore-failed-read | tar --extract --directory "$0""#;
        let made =
            Command::new("bash").args(["-euc", script]).arg(&folder).current_dir(binaries::root()).output().unwrap();
        assert!(folder.join("Cargo.lock").is_file(), "no copy: {}", String::from_utf8_lossy(&made.stderr));
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }

    /// As a new version would: `from`, which has to be there, is `to`.
    pub(crate) fn change(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.0.join(file)).unwrap();
        assert!(text.contains(from), "{file} does not say {from:?}");
        self.write(file, &text.replace(from, to));
    }
}
