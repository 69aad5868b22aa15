//! Secrets that every test uses and nobody may write down. The tunnels of all tests are opened with these, what
//! is logged in this process ([`crate::logs`]) and what reaches a local server ([`crate::origin`]) is searched for them, in
//! every spelling in which a program would write them. A find is the end of the process: no task, and no `catch_unwind`,
//! keeps it to itself.

mod search;

use std::io::{self, Write};
use std::sync::LazyLock;

use gantz_shared::control::Secret;
use gantz_shared::token::Token;

use search::Search;

/// The token of every tunnel. Its `+`, `/` and `=` are spelled differently in a URL.
pub const TOKEN: &str = "canary+Zk3/x9Qv~7Lw2.Tn_b5-Rf8Jd4Hs6Gp0Yc1Mu=";

/// For tests that need a second token: one that is expired, wrong, or of another tunnel.
pub const OTHER_TOKEN: &str = "canary/Wq8+b2Xe.5Pz7~Dk4_Jr9-Vn3Ta6Gh1Uy0Lc=";

/// The access key that every agent shows.
pub const ACCESS_KEY: &str = "gzk_canary-Hb6Ys2Fo9Km4Et7Nj1Qx5Wd8Rz3Pu0Ag_Ci";

/// [`TOKEN`], as agents are given it.
pub fn token() -> Token {
    Token::parse(TOKEN).unwrap()
}

/// [`OTHER_TOKEN`], as agents are given it.
pub fn other_token() -> Token {
    Token::parse(OTHER_TOKEN).unwrap()
}

/// [`ACCESS_KEY`], as agents are given it.
pub fn access_key() -> Secret {
    Secret::new(ACCESS_KEY.into())
}

/// The spelling in which `written` holds one of the secrets, or a half of it: more than a half in a log would be as bad
/// as the whole.
pub fn find(written: &[u8]) -> Option<&'static str> {
    static SEARCH: LazyLock<Search> = LazyLock::new(|| Search::of(&[TOKEN, OTHER_TOKEN, ACCESS_KEY]));
    SEARCH.find(written)
}

/// Says where a secret was found, and ends the process. The test is named by its thread.
pub fn leaked(written: &[u8], spelling: &str) -> ! {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a thread without a name");
    let written = String::from_utf8_lossy(written);
    // Past the harness, which keeps what tests print and drops it when the process ends.
    let _ = writeln!(io::stderr(), "in {test}: a secret was written, as {spelling}:\n{written}");
    std::process::abort();
}
