//! The pieces of the hot path that are counted each by itself.

/// A piece: what its functions take, with all that they call.
pub(crate) struct Piece {
    pub(crate) name: &'static str,
    /// As the binary calls them. None of them calls another one.
    pub(crate) functions: &'static [&'static str],
    /// A function that they call and that is left out.
    pub(crate) without: Option<&'static str>,
}

const fn piece(name: &'static str, functions: &'static [&'static str]) -> Piece {
    Piece { name, functions, without: None }
}

const RELAY: &[Piece] = &[
    piece(
        "name-routing",
        &[
            "gantz_relay::edge::route::route",
            "<gantz_relay::directory::memory::Memory as gantz_relay::directory::Directory>::find",
        ],
    ),
    Piece {
        name: "token-check",
        functions: &["gantz_relay::edge::credential::admit"],
        without: Some("gantz_shared::token::Digest::of"),
    },
    piece("request-head-out", &["gantz_relay::edge::exchange::encode_head"]),
    piece("answer-head-in", &["gantz_shared::wire::head::ResponseHead::decode"]),
    piece("frames-in", FRAMES_IN),
    piece("header-filter", HEADER_FILTER),
];

const AGENT: &[Piece] = &[
    piece("frames-in", FRAMES_IN),
    piece("request-head-in", &["gantz_shared::wire::head::RequestHead::decode"]),
    piece("local-request-head", &["gantz_agent::upstream::head::request"]),
    piece("answer-head-out", &["gantz_agent::tunnel::answer::encode_head"]),
    piece("data-out", &["gantz_shared::wire::encode::data_header"]),
    piece("header-filter", HEADER_FILTER),
];

/// Which fields go on. It is counted in the heads that go out, too.
const HEADER_FILTER: &[&str] = &[
    "gantz_shared::fields::is_hop_by_hop",
    "gantz_shared::fields::is_forwarding",
    "gantz_shared::fields::is_internal",
    "gantz_shared::fields::Nominated::by",
    "gantz_shared::fields::Nominated::contains",
];

const FRAMES_IN: &[&str] = &["gantz_shared::wire::decode::Decoder::push", "gantz_shared::wire::decode::Decoder::next"];

/// Those of a process.
pub(crate) fn of(process: &str) -> &'static [Piece] {
    if process == "relay" { RELAY } else { AGENT }
}

/// What asks for memory.
pub(crate) const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

/// What libc has several of, one for each generation of CPUs, by the begin of their names there …
const OF_LIBC: [&str; 2] = ["__mem", "__str"];

/// … and by whole names: one of them can have that of its symbol.
const SYMBOLS_OF_LIBC: [&str; 7] = ["memcpy", "memmove", "memset", "memcmp", "bcmp", "memchr", "strlen"];

/// The same of Rust's crates.
const OF_CRATES: [&str; 2] = ["memchr::arch::x86_64::", "httparse::simd::"];

/// Whether the CPU has a say in which code this is: its instructions, and those of what only it calls, are no measure of ours.
pub(crate) fn is_chosen_by_cpu(function: &str) -> bool {
    // The version of aws-lc comes next; without one it is the crate that calls it, which is Rust.
    let is_crypto =
        function.strip_prefix("aws_lc_").is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
    // Behind the @ is the version of the symbol.
    let symbol = function.split('@').next().unwrap_or(function);
    let begins = |begin: &&str| function.starts_with(begin);
    is_crypto || SYMBOLS_OF_LIBC.contains(&symbol) || OF_LIBC.iter().chain(&OF_CRATES).any(begins)
}

#[test]
fn the_cpu_chooses_crypto_and_what_looks_at_many_bytes() {
    for function in [
        "aws_lc_0_47_0_sha256_block_data_order_avx",
        "__memcpy_avx_unaligned_erms",
        "__strlen_sse2",
        "memcpy@GLIBC_2.2.5",
        "memchr::arch::x86_64::avx2::memchr::One::find_raw_avx2",
        "httparse::simd::avx2::match_header_value_vectored",
    ] {
        assert!(is_chosen_by_cpu(function), "{function}");
    }
    for function in ["aws_lc_rs::digest::digest", "malloc", "httparse::parse_headers_iter_uninit", "gantz_relay::edge"]
    {
        assert!(!is_chosen_by_cpu(function), "{function}");
    }
}
