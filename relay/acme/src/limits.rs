//! Every limit of this crate.

use std::time::Duration;

/// DNS over UDP: the longest answer, in bytes, that goes through everywhere unfragmented (RFC 9715 §3.2).
pub const DNS_MAX_UDP: u16 = 1232;

/// The longest question that is read, in bytes: a name of 255, EDNS and a cookie are less than half of it.
pub const DNS_MAX_QUESTION: usize = 1024;

/// How long others may keep a value that proves something, and that there was none, in seconds. Not 0, which some ask for
/// again before they use it.
pub const DNS_VALUE_TTL: u32 = 1;

/// How long others may keep who answers for the zone, in seconds.
pub const DNS_DELEGATION_TTL: u32 = 300;

/// Answers a second over UDP to one source: a /24 of IPv4, a /56 of IPv6. What comes over it is told to come by TCP.
pub const DNS_PER_SOURCE: u32 = 20;

/// Of these, how many may come at once.
pub const DNS_BURST: u32 = 100;

/// Questions a second over UDP from everybody; what is over it is dropped.
pub const DNS_ALL: u32 = 20_000;

/// Sources whose questions are counted.
pub const DNS_SOURCES: usize = 10_000;

/// Open DNS connections over TCP; the next one is closed.
pub const DNS_TCP_CONNECTIONS: usize = 128;

/// Of these, from one source.
pub const DNS_TCP_PER_SOURCE: usize = 8;

/// Questions over one TCP connection, which then is closed.
pub const DNS_QUESTIONS_PER_CONNECTION: usize = 16;

/// How long a TCP connection lives at most.
pub const DNS_TCP_LIFE: Duration = Duration::from_secs(5);

/// Until the system is asked again for a connection or a question when it could not give one (it has no files left, say).
pub const DNS_SOCKET_RETRY: Duration = Duration::from_millis(100);

/// Until the certificate authority's server is connected.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// For one request to the certificate authority, connecting included.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// The longest answer of the certificate authority, in bytes.
pub const MAX_ANSWER: usize = 1 << 20;

/// How long the certificate authority may take to look at the proofs, and then again to issue.
pub const DECISION_DEADLINE: Duration = Duration::from_secs(180);

/// Until it is asked for the first time whether it has decided; doubled each time.
pub const DECISION_FIRST_LOOK: Duration = Duration::from_millis(250);

/// For one run of the command that sets a record in DNS, waiting for the provider's servers included.
pub const HOOK_DEADLINE: Duration = Duration::from_secs(600);

/// Of what that command says on its standard error, this many last bytes are told.
pub const HOOK_TOLD: usize = 1024;

/// Certificates of names that are ordered at the same time.
pub const NAMES_AT_ONCE: usize = 4;

/// In which so many names may get their first certificate as the operator says, and a little more than others count.
pub const NAMES_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60 + 60 * 60);

/// Names that have a certificate, or are to get one. The one that expires first, of those that nobody holds, makes room.
pub const NAMES_KEPT: usize = 10_000;

/// How often it is looked which certificates of names have expired that nobody holds: they are removed.
pub const NAMES_SWEEP: Duration = Duration::from_secs(60 * 60);

/// Orders for names that are refused in a row before all of them wait, and not only the name: it is not the name then.
pub const NAMES_REFUSED: u32 = 10;

/// Room that has to be on the disk before a certificate is asked for, in bytes: a chain and its key are a few thousand.
pub const ROOM: usize = 64 * 1024;

/// The clock is looked at this often while a renewal is waited for: a machine that slept, or a clock that was set, is
/// noticed then.
pub const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// How often the certificate authority is asked when it wants a renewal (RFC 9773 §4.3.1): its `Retry-After`, within these.
pub const RENEWAL_INFO_EVERY: (Duration, Duration) = (Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60));

/// Until it is asked again when it could not be asked.
pub const RENEWAL_INFO_RETRY: Duration = Duration::from_secs(6 * 60 * 60);
