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
pub(super) struct Guest<'a> {
    /// Where its caller is.
    pub(super) source: IpAddr,
    pub(super) parts: &'a Parts,
    pub(super) has_body: bool,
}

impl Guest<'_> {
    /// What may come of its body meanwhile, bytes, where HTTP/2 lets so much of a stream come.
    fn body(self, stream_window: u32) -> u32 {
        if !self.has_body {
            return 0;
        }
        let most = if self.parts.version == Version::HTTP_2 { stream_window } else { READ_AHEAD };
        let declared = fields::content_length(&self.parts.headers).ok().flatten();
        declared.and_then(|declared| u32::try_from(declared).ok()).map_or(most, |declared| declared.min(most))
    }
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

    /// One more, if there is room for it.
    pub(super) fn hold(&self, guest: Guest<'_>) -> Option<Held<'_>> {
        Some(Held {
            _request: self.requests.try_acquire().ok()?,
            _source: self.sources.enter(guest.source).ok()?,
            _body: self.bodies.try_acquire_many(guest.body(self.stream_window)).ok()?,
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
        let parts = parts(Version::HTTP_2, None);
        let guest = |last: u8| Guest { source: [192, 0, 2, last].into(), parts: &parts, has_body: false };
        let held: Vec<_> = (0..MAX_HELD_PER_SOURCE).map(|_| holding.hold(guest(1)).unwrap()).collect();
        assert!(holding.hold(guest(1)).is_none());
        let other = holding.hold(guest(2)).unwrap();
        drop(held);
        assert!(holding.hold(guest(1)).is_some());
        drop(other);
    }

    #[test]
    fn what_may_come_of_bodies_is_bounded() {
        const WINDOW: u32 = 1 << 20;
        fn guest(parts: &Parts) -> Guest<'_> {
            Guest { source: [192, 0, 2, 1].into(), parts, has_body: true }
        }
        let (long, short) = (parts(Version::HTTP_2, None), parts(Version::HTTP_2, Some(7)));
        assert_eq!(guest(&long).body(WINDOW), WINDOW);
        assert_eq!(guest(&short).body(WINDOW), 7);
        assert_eq!(guest(&parts(Version::HTTP_11, Some(1 << 40))).body(WINDOW), READ_AHEAD);
        let holding = Holding::new(WINDOW);
        let held: Vec<_> = (0..MAX_HELD_BODIES >> 20).map(|_| holding.hold(guest(&long)).unwrap()).collect();
        assert!(holding.hold(guest(&short)).is_none());
        let empty = Guest { has_body: false, ..guest(&long) };
        assert!(holding.hold(empty).is_some(), "what has no body needs no room");
        drop(held);
    }
}
