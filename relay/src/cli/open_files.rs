//! How many files the system lets this process have open: a connection of the public is one.

/// Files that are no connection of the public: listeners, the socket of all tunnels, the logs, certificates while they are
/// read, and the operator's connections. About a dozen are open all the time.
const RESERVE: usize = 64;

/// What each worker's runtime has open: its event queue, what wakes it, and what it hears of signals with.
const RESERVE_OF_WORKER: usize = 4;

/// How many of `wanted` connections fit into what the system gives beside so many workers, and at least one. Raises the
/// limit as far as this process may: what a shell hands on is often no more than 1,024, for the sake of programs that use
/// `select`.
pub(super) fn connections(wanted: usize, workers: usize) -> usize {
    let files = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => usize::try_from(files).unwrap_or(usize::MAX),
        Err(error) => {
            tracing::warn!(%error, "cannot tell how many files may be open (ulimit -n)");
            return wanted;
        }
    };
    let fit = fitting(wanted, files, workers);
    if fit < wanted {
        tracing::warn!(
            "{files} open files are allowed: {fit} connections are taken at once, and not {wanted}; raise the hard limit \
             (ulimit -Hn, LimitNOFILE= of systemd)"
        );
    }
    fit
}

fn fitting(wanted: usize, files: usize, workers: usize) -> usize {
    wanted.min(files.saturating_sub(RESERVE + RESERVE_OF_WORKER * (workers - 1))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept_and_one_connection_is_always_taken() {
        assert_eq!(fitting(10_000, 1 << 20, 1), 10_000);
        assert_eq!(fitting(10_000, 1_024, 1), 960);
        assert_eq!(fitting(10_000, 1_024, 11), 920);
        assert_eq!(fitting(10_000, 20, 1), 1);
        assert_eq!(fitting(100, 164, 1), 100);
        assert_eq!(fitting(100, 163, 1), 99);
    }
}
