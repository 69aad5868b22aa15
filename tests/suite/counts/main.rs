//! What a request costs, counted instead of timed: instructions of the whole and of the hot path's pieces, and allocations,
//! in the real relay and the real agent under Valgrind's Callgrind. One caller on one kept connection calls over HTTP/1.1, a
//! request at a time; what is counted between two of them is divided by their number. Nothing of it depends on how fast the
//! machine is or what else it does: from run to run, the whole differed by 1 % at most, pieces by 2 %, and allocations by 1.
//!
//! `limits.txt` has what was counted last. A run fails where a figure is more than a tenth over it (allocations: 2 at
//! least), or is missing there; then it prints the table. Each run writes `target/counts/limits.txt` anew. To raise a
//! limit, or to lower it after a gain: say in the change why, and
//!
//! ```text
//! cargo test -p gantz-tests --test counts -- --nocapture
//! cp target/counts/limits.txt tests/suite/counts/limits.txt
//! ```
//!
//! `callgrind_annotate --inclusive=yes target/counts/relay-POST.callgrind` says where it all goes, with `--tree=caller` for
//! `malloc` who asks for memory.
//!
//! What the figures are of, and are not:
//! - The dev profile of x86-64 Linux; elsewhere the test is ignored. What a release build takes is less; that it gets more
//!   shows here as well. `limits.txt` says which compiler it was: what another one has built may take three tenths more.
//!   Other settings of the same one (`CARGO_INCREMENTAL=0`, which cuts a crate into other parts) are not told apart.
//! - Functions by their names in the binary. One that was renamed, or that a compiler puts into its caller, is not found,
//!   and the run says so: then `pieces.rs` is what to change.
//! - User space only: what the kernel does is not in it.
//! - `whole` is without the functions of which there are several for the CPU to choose from: those of aws-lc, libc's on memory
//!   and strings, the vectors of memchr and httparse; and without what only these call. What they take is the CPU's, and
//!   Valgrind hides AVX-512 and the SHA instructions besides. With AVX, and then AES as well, taken from aws-lc and libc
//!   (`OPENSSL_ia32cap`, `GLIBC_TUNABLES`), `whole` stayed within 1.3 % of all runs, where everything grew by up to 42 %. For
//!   memchr and httparse there is no such switch. `everything`, with all of it, is printed and has no limit.
//! - The digest of a token is left out of its piece for the same reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stderr, reason = "what was counted is there to be read")]

mod calls;
mod counted;
mod limits;
#[allow(dead_code, reason = "shared with the suite of running a relay oneself, which uses all of it")]
#[path = "../self_hosting/packages.rs"]
mod packages;
mod pieces;
#[allow(dead_code, reason = "shared with the suite of the command lines, which uses all of it")]
#[path = "../cli/process.rs"]
mod process;
mod profile;
mod table;

use calls::{Caller, KINDS};
use counted::{World, keep};
use table::Table;

/// Requests before the first one that counts: pools and buffers have grown by then.
const BEFORE: u32 = 60;

/// Requests that are counted, of each kind.
const COUNTED: u32 = 200;

#[tokio::test]
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64", debug_assertions)),
    ignore = "the limits are those of x86-64 Linux and the dev profile"
)]
async fn a_request_costs_no_more_than_its_limits() {
    packages::install("valgrind", "valgrind").await;
    let world = World::start().await;
    let mut caller = Caller::connect(&world).await;
    let mut table = Table::default();
    for kind in KINDS {
        caller.call(kind, BEFORE).await;
        world.zero().await;
        caller.call(kind, COUNTED).await;
        for (process, file) in world.dump().await {
            let text = std::fs::read_to_string(&file).unwrap();
            keep(&text, &format!("{process}-{kind}.callgrind"));
            table.add(process, kind, &profile::Profile::read(&text), f64::from(COUNTED));
        }
    }
    keep(&limits::written(&table).await, "limits.txt");
    let limits = limits::Limits::recorded().await;
    eprintln!("{}", table.text(&limits));
    let wrong = limits.exceeded(&table);
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), limits::HOW);
}
