//! Requests that wait for an agent that is away for a moment: bounded in number, from one source, and in what their callers
//! may send meanwhile, as nobody has looked at their tokens yet.

use std::net::IpAddr;

use gantz_shared::fields;
use http::Version;
use http::request::Parts;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::{MAX_HELD, MAX_HELD_BODIES, MAX_HELD_PER_SOURCE};
use crate::sources::{Place, Sources};

/// What HTTP/1.1 reads of a body that nobody takes, bytes.
const READ_AHEAD: u32 = 64 << 10;

/// Room for those that wait.
#[derive(Debug)]
pub(super) struct Holding {
    requests: Semaphore,
    sources: Sources,
    bodies: Semaphore,
    /// What HTTP/2 lets a caller send of a body that nobody takes, bytes.
    stream_window: u32,
}

/// A request that may have to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guest {
    source: IpAddr,
    /// What may come of its body meanwhile, bytes.
    body: u32,
}

/// One that waits.
pub(super) struct Held<'a> {
    _request: SemaphorePermit<'a>,
    _source: Place,
    _body: SemaphorePermit<'a>,
}

impl Holding {
    pub(super) fn new(stream_window: u32) -> Self {
        Self {
            requests: Semaphore::new(MAX_HELD),
            sources: Sources::new(MAX_HELD_PER_SOURCE),
            bodies: Semaphore::new(MAX_HELD_BODIES),
            stream_window,
        }
    }

    /// A request from `source`.
    pub(super) fn guest(&self, source: IpAddr, parts: &Parts, has_body: bool) -> Guest {
        let most = if parts.version == Version::HTTP_2 { self.stream_window } else { READ_AHEAD };
        let declared = fields::content_length(&parts.headers).ok().flatten().unwrap_or(u64::MAX);
        let body = if has_body { u32::try_from(declared).unwrap_or(most).min(most) } else { 0 };
        Guest { source, body }
    }

    /// One more, if there is room for it.
    pub(super) fn hold(&self, guest: Guest) -> Option<Held<'_>> {
        Some(Held {
            _request: self.requests.try_acquire().ok()?,
            _source: self.sources.enter(guest.source).ok()?,
            _body: self.bodies.try_acquire_many(guest.body).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(version: Version, length: Option<u64>) -> Parts {
        let mut request = http::Request::builder().version(version);
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn one_source_leaves_room_for_others() {
        let holding = Holding::new(1 << 20);
        let guest = |last: u8| holding.guest([192, 0, 2, last].into(), &parts(Version::HTTP_2, None), false);
        let held: Vec<_> = (0..MAX_HELD_PER_SOURCE).map(|_| holding.hold(guest(1)).unwrap()).collect();
        assert!(holding.hold(guest(1)).is_none());
        let other = holding.hold(guest(2)).unwrap();
        drop(held);
        assert!(holding.hold(guest(1)).is_some());
        drop(other);
    }

    #[test]
    fn what_may_come_of_bodies_is_bounded() {
        let holding = Holding::new(1 << 20);
        let guest = |version, length| holding.guest([192, 0, 2, 1].into(), &parts(version, length), true);
        assert_eq!(guest(Version::HTTP_2, None).body, 1 << 20);
        assert_eq!(guest(Version::HTTP_2, Some(7)).body, 7);
        assert_eq!(guest(Version::HTTP_11, Some(1 << 30)).body, READ_AHEAD);
        let held: Vec<_> =
            (0..MAX_HELD_BODIES >> 20).map(|_| holding.hold(guest(Version::HTTP_2, None)).unwrap()).collect();
        assert!(holding.hold(guest(Version::HTTP_2, Some(1))).is_none());
        let empty = holding.guest([192, 0, 2, 1].into(), &parts(Version::HTTP_2, None), false);
        assert!(holding.hold(empty).is_some(), "what has no body needs no room");
        drop(held);
    }
}
