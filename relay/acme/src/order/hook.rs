//! A command that sets and removes TXT records at a DNS provider. It is called as `lego` calls its `exec` provider, so
//! that what people have written for that does:
//!
//! ```text
//! COMMAND present _acme-challenge.relay.example.com. VALUE
//! COMMAND cleanup _acme-challenge.relay.example.com. VALUE
//! ```
//!
//! It ends with 0 when the record can be seen by everybody. A name can have several values at once.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::limits::{HOOK_DEADLINE, HOOK_TOLD};
use crate::trouble::Trouble;

/// See the module's head.
#[derive(Debug, Clone)]
pub struct Hook {
    command: PathBuf,
}

impl Hook {
    /// The file is run as it is, without a shell, with this process's environment.
    #[must_use]
    pub fn new(command: &Path) -> Self {
        Self { command: command.to_owned() }
    }

    pub(super) async fn present(&self, name: &str, value: &str) -> Result<(), Trouble> {
        self.run("present", name, value).await
    }

    pub(super) async fn clean_up(&self, name: &str, value: &str) -> Result<(), Trouble> {
        self.run("cleanup", name, value).await
    }

    async fn run(&self, action: &str, name: &str, value: &str) -> Result<(), Trouble> {
        let trouble = |why: String| Trouble::Hook(format!("{} {action}: {why}", self.command.display()));
        let mut command = Command::new(&self.command);
        command.arg(action).arg(format!("{name}.")).arg(value);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| trouble(error.to_string()))?;
        let stderr = child.stderr.take();
        let run = async {
            let said = match stderr {
                Some(stderr) => last_words(stderr).await,
                None => String::new(),
            };
            child.wait().await.map(|status| (status, said))
        };
        let ended = timeout(HOOK_DEADLINE, run).await;
        let ended = ended.map_err(|_| trouble(format!("it took longer than {} s", HOOK_DEADLINE.as_secs())))?;
        let (status, said) = ended.map_err(|error| trouble(error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        Err(trouble(if said.is_empty() { status.to_string() } else { format!("{status}: {said}") }))
    }
}

/// Reads to the end, whatever there is, so that the command never waits for a reader; keeps the end.
async fn last_words(mut from: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..length]);
        let over = kept.len().saturating_sub(HOOK_TOLD);
        kept.drain(..over);
    }
    let text = String::from_utf8_lossy(&kept);
    let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    text.trim().to_owned()
}
