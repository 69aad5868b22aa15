//! How much room the log takes, in memory and on the disk.

/// What the file is called where nobody says otherwise.
pub const FILE_NAME: &str = "audit.log";

/// How much room the log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the file becomes before it is rotated, bytes. Only a line that is longer makes a longer file.
    pub file_size: u64,
    /// How many rotated files are kept beside it.
    pub kept_files: u32,
    /// Lines that wait to be written, bytes. What does not fit is lost, and counted. Twice as much memory may be held:
    /// what is being written, and what came since.
    pub pending: usize,
}

impl Limits {
    /// 10 MiB a file, five rotated files, 1 MiB of lines that wait: some thousands.
    pub const DEFAULT: Self = Self { file_size: 10 << 20, kept_files: 5, pending: 1 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
