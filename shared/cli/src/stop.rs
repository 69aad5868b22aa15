//! Being told to stop: by Ctrl-C, or by SIGTERM, as service managers do it.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};

/// Hears every signal from its making on, so that none falls between two waits.
#[derive(Debug)]
pub struct Stop {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(windows)]
    interrupt: CtrlC,
}

impl Stop {
    /// From here on a signal no longer ends the process by itself.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new() -> io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? });
        #[cfg(windows)]
        return Ok(Self { interrupt: ctrl_c()? });
    }

    /// Waits for the next one and gives its name. Cancel-safe.
    pub async fn signal(&mut self) -> &'static str {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
        #[cfg(windows)]
        {
            self.interrupt.recv().await;
            "Ctrl-C"
        }
    }
}
