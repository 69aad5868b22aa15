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
];

const AGENT: &[Piece] = &[
    piece("frames-in", FRAMES_IN),
    piece("request-head-in", &["gantz_shared::wire::head::RequestHead::decode"]),
    piece("local-request-head", &["gantz_agent::upstream::head::request"]),
    piece("answer-head-out", &["gantz_agent::tunnel::answer::encode_head"]),
    piece("data-out", &["gantz_shared::wire::encode::data_header"]),
];

const FRAMES_IN: &[&str] = &["gantz_shared::wire::decode::Decoder::push", "gantz_shared::wire::decode::Decoder::next"];

/// Those of a process. The heads that go out have the filter of fields in them.
pub(crate) fn of(process: &str) -> &'static [Piece] {
    if process == "relay" { RELAY } else { AGENT }
}

/// What asks for memory.
pub(crate) const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];
