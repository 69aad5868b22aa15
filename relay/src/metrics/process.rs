//! What the system says of this process, under the names that every exporter has for it. Linux; nothing elsewhere.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        match linux::look() {
            Ok(figures) => figures.encode(&mut encoder),
            Err(error) => {
                tracing::debug!(%error, "nothing is known of this process");
                Ok(())
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;

    use procfs::process::{LimitValue, Process};
    use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};
    use prometheus_client::encoding::DescriptorEncoder;

    use crate::metrics::said::{counter, gauge};

    pub(super) struct Figures {
        resident: u64,
        open_files: u64,
        max_files: Option<u64>,
        cpu: f64,
        started: f64,
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 and of CPU are far below 2^53 ticks")]
    pub(super) fn look() -> ProcResult<Figures> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
        let max_files = match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(files) => Some(files),
            LimitValue::Unlimited => None,
        };
        Ok(Figures {
            resident: stat.rss * page_size(),
            open_files: process.fd_count()? as u64,
            max_files,
            cpu: seconds(stat.utime + stat.stime),
            started: boot_time_secs()? as f64 + seconds(stat.starttime),
        })
    }

    impl Figures {
        pub(super) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
            gauge(to, ("process_resident_memory_bytes", "Memory of the process that is in RAM."), self.resident)?;
            gauge(to, ("process_open_fds", "Open files of the process."), self.open_files)?;
            if let Some(files) = self.max_files {
                gauge(to, ("process_max_fds", "Files that the process may have open."), files)?;
            }
            counter(
                to,
                ("process_cpu_seconds", "CPU time of the process, its own and the system's for it."),
                self.cpu,
            )?;
            gauge(to, ("process_start_time_seconds", "When the process was started, since 1970."), self.started)
        }
    }
}
