//! The thread that writes. What cannot be written is tried again, for as long as it takes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info};

use crate::file::RotatedFile;
use crate::line;
use crate::queue::Queue;

/// How long after a failure the disk is tried again.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long lines gather behind a write. The first line after a silence is written at once; of thousands a second each
/// would otherwise cost a wake-up of this thread, two looks at the path and a write.
const GATHER: Duration = Duration::from_millis(10);

/// Writes what the queue holds until it is closed and empty. Once it is closed, a failure is the end.
pub(crate) fn run(queue: &Arc<Queue>, file: &mut RotatedFile) {
    let mut batch = Vec::new();
    while queue.take(&mut batch) {
        if let Err(error) = file.append(&mut batch)
            && !outlast(&error, &mut batch, queue, file)
        {
            return;
        }
        queue.gather(GATHER);
    }
    if let Err(error) = file.sync() {
        error!(path = %file.path().display(), %error, "the audit log may not have reached the disk");
    }
}

/// Tries until `batch` is written. `false` when the queue was closed before that.
fn outlast(error: &io::Error, batch: &mut Vec<u8>, queue: &Queue, file: &mut RotatedFile) -> bool {
    let path = file.path().to_owned();
    let path = path.display();
    let lost_before = queue.lost();
    error!(%path, %error, "the audit log cannot be written; its lines are kept while there is room for them");
    loop {
        let is_open = queue.pause(RETRY_AFTER);
        let Err(error) = file.append(batch) else {
            let lost = queue.lost() - lost_before;
            if lost > 0 {
                error!(%path, lost, "the audit log is written again, but for the lines that were lost");
            } else {
                info!(%path, "the audit log is written again, and nothing was lost");
            }
            return true;
        };
        if !is_open {
            let mut unwritten = std::mem::take(batch);
            queue.take(batch);
            unwritten.append(batch);
            let lost = queue.lost() - lost_before + line::count_events(&unwritten);
            error!(%path, %error, lost, "the audit log could not be written to its end");
            return false;
        }
    }
}
