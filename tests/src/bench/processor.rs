//! Time on a processor, of processes that are measured.

use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// That of a process since it started: all threads, those that have ended as well, user and system. The system counts it to
/// the nanosecond; `/proc/PID/stat` says the same in steps of 10 ms.
pub fn used(pid: u32) -> Duration {
    let pid = Pid::from_raw(pid.try_into().expect("the number of a process"));
    let clock = clock_getcpuclockid(pid).unwrap_or_else(|error| panic!("process {pid} is gone: {error}"));
    clock_gettime(clock).unwrap_or_else(|error| panic!("process {pid} is gone: {error}")).into()
}

/// That of its threads of this name, as far as they have not ended; a name is cut to 15 bytes (proc_pid_comm(5)).
pub fn used_by_threads(pid: u32, name: &str) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = threads.map(|thread| {
        let thread = thread.unwrap().path();
        // One that ends meanwhile has no files any more.
        let read = |file: &str| std::fs::read_to_string(thread.join(file)).unwrap_or_default();
        if read("comm").trim_end() != name {
            return 0;
        }
        read("schedstat").split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanos.sum())
}
