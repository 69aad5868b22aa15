//! What hyper reads from and writes to: the caller's connection, with everything held back that hyper should not see, and
//! a deadline for whatever is being waited for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Reset;
use super::head::Bounds;
use super::intake::{Awaits, Intake};
use super::shared::Shared;
use crate::config::{Deadlines, LINGER, LINGER_BYTES};
use crate::edge::answer::Failure;
use crate::edge::clock::{after, later};
use crate::edge::reader;

/// How often it is looked whether a caller that has sent more than is read is still there.
const HANG_UP_LOOK: Duration = Duration::from_millis(50);

/// See the module's head.
pub(super) struct Http1Io<T: Reset> {
    inner: T,
    shared: Arc<Shared>,
    intake: Intake,
    deadlines: Deadlines,
    /// Since when that is waited for which is to come next, when it has been waited for.
    waits: Option<(Awaits, Instant)>,
    /// When the last body ended that came behind its answer.
    read_over: Option<Instant>,
    /// Fires at the deadline or before: it is not moved for each request.
    timer: Option<Pin<Box<Sleep>>>,
    /// There while the caller takes nothing.
    unread: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// What is still read over of what was sent behind a head that was refused.
    linger: Option<(u64, Pin<Box<Sleep>>)>,
}

impl<T: Reset> Http1Io<T> {
    pub(super) fn new(inner: T, shared: Arc<Shared>, bounds: Bounds, deadlines: Deadlines) -> Self {
        Self {
            inner,
            shared,
            intake: Intake::new(bounds),
            deadlines,
            waits: None,
            read_over: None,
            timer: None,
            unread: None,
            linger: None,
        }
    }

    /// The next request is answered with `failure`, and is the last one.
    fn refuse(&mut self, failure: Failure) {
        self.shared.refuse(failure);
        self.intake.refuse();
    }

    /// Nothing has come. Ready when it is too late for it; with `Nothing`, when it is time to look again.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Awaits> {
        let awaits = self.intake.awaits();
        let since = match awaits {
            // The first of a connection, or one after an answer.
            Awaits::Request => self.shared.idle_since().max(self.read_over.unwrap_or(self.shared.idle_since())),
            // Nobody waits for the rest of a body whose answer is on its way: that is what is waited for.
            Awaits::Body if self.shared.begun() == self.intake.heads() => return Poll::Pending,
            Awaits::Head | Awaits::Body => match self.waits {
                Some((waited, since)) if waited == awaits => since,
                _ => self.waits.insert((awaits, Instant::now())).1,
            },
            Awaits::Nothing => {
                // When the answer is over nobody asks for the next request: the timer has to run by then.
                if self.timer.as_ref().is_none_or(|timer| timer.is_elapsed()) {
                    self.set_timer(later(self.deadlines.idle));
                }
                if let Some(timer) = &mut self.timer {
                    ready!(timer.as_mut().poll(cx));
                }
                return Poll::Ready(Awaits::Nothing);
            }
        };
        let span = match awaits {
            Awaits::Request if self.intake.heads() == 0 => self.deadlines.first_byte,
            Awaits::Request | Awaits::Nothing => self.deadlines.idle,
            Awaits::Head => self.deadlines.head,
            Awaits::Body => self.deadlines.body,
        };
        let deadline = after(since, span);
        loop {
            let is_set = |timer: &Pin<Box<Sleep>>| !timer.is_elapsed() && timer.deadline() <= deadline;
            if !self.timer.as_ref().is_some_and(is_set) {
                self.set_timer(deadline);
            }
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
            }
            if Instant::now() >= deadline {
                return Poll::Ready(awaits);
            }
        }
    }

    /// Looks from time to time whether the caller is still there. Ready, as at the end of what can be read, when not.
    fn poll_hung_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.inner.is_hung_up() {
            self.set_timer(Instant::now() + HANG_UP_LOOK);
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn set_timer(&mut self, at: Instant) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(sleep_until(at))),
        }
    }

    /// The caller takes nothing. Ready when it had its time.
    fn poll_unread<R>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let (shared, deadline) = (&self.shared, self.deadlines.reader);
        let waiting = self.unread.get_or_insert_with(|| {
            let begun = Instant::now();
            Box::pin(reader::give_up(shared.unread(), deadline, move || begun))
        });
        ready!(waiting.as_mut().poll(cx));
        // What is unread in the system's buffer would stay there for minutes, and then end like an answer to HTTP/1.0.
        self.shared.reset_on_close();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not read")))
    }
}

impl<T: AsyncRead + AsyncWrite + Reset + Unpin> Http1Io<T> {
    /// Reads over what a caller has sent behind a head that was refused (RFC 9112 §9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (left, timer) = self.linger.get_or_insert_with(|| (LINGER_BYTES, Box::pin(sleep(LINGER))));
        let mut scratch = [std::mem::MaybeUninit::uninit(); 4096];
        while timer.as_mut().poll(cx).is_pending() && *left > 0 {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len() as u64),
                // The caller has gone, one way or another.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }

    /// Writes by `write`, behind the informational answers that are queued, as far as the caller takes it.
    fn poll_taken<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let interim = self.shared.interim().poll_write(&mut self.inner, cx);
        let written = match interim {
            Poll::Ready(Ok(())) => write(Pin::new(&mut self.inner), cx),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        if written.is_pending() {
            return self.poll_unread(cx);
        }
        self.unread = None;
        written
    }
}

impl<T: AsyncRead + AsyncWrite + Reset + Unpin> AsyncRead for Http1Io<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.shared.is_raw() && !this.intake.is_raw() {
                this.intake.set_raw();
            }
            if this.shared.answered() == this.intake.heads()
                && let Err(failure) = this.intake.answered()
            {
                this.refuse(failure);
            }
            let ready = this.intake.ready();
            if !ready.is_empty() {
                let length = ready.len().min(buf.remaining());
                buf.put_slice(&ready[..length]);
                this.intake.pass(length);
                this.waits = None;
                return Poll::Ready(Ok(()));
            }
            if this.intake.is_broken() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the body is not chunked as it has to be",
                )));
            }
            if this.intake.holds() {
                // Whoever ends the answer has to wake the reader of what is held.
                this.shared.register(cx.waker());
                if this.shared.answered() == this.intake.heads() && this.intake.is_answering() {
                    continue;
                }
            }
            if !this.intake.has_room() {
                // What is not read cannot tell that the caller has gone.
                return if this.intake.is_refused() { Poll::Pending } else { this.poll_hung_up(cx) };
            }
            let before = buf.filled().len();
            let read = Pin::new(&mut this.inner).poll_read(cx, buf);
            let Poll::Ready(read) = read else {
                if this.intake.is_raw() {
                    return Poll::Pending;
                }
                match ready!(this.poll_late(cx)) {
                    // To hyper it looks as if the caller had closed.
                    Awaits::Request => return Poll::Ready(Ok(())),
                    Awaits::Nothing => {}
                    Awaits::Head => this.refuse(Failure::RequestTimeout),
                    Awaits::Body => {
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the body stopped coming")));
                    }
                }
                continue;
            };
            read?;
            let come = buf.filled().get(before..).unwrap_or_default();
            if come.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let was_body = this.intake.awaits() == Awaits::Body;
            if was_body {
                this.waits = None;
            }
            match this.intake.push(come) {
                Ok(passed) => {
                    buf.set_filled(before + passed);
                    if was_body && this.intake.is_answering() && this.shared.answered() == this.intake.heads() {
                        this.read_over = Some(Instant::now());
                    }
                    if passed > 0 {
                        this.waits = None;
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(failure) => {
                    buf.set_filled(before);
                    this.refuse(failure);
                }
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Reset + Unpin> AsyncWrite for Http1Io<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.interim().set_flushed(false);
        self.poll_taken(cx, |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.interim().set_flushed(false);
        self.poll_taken(cx, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_taken(cx, |inner, cx| inner.poll_flush(cx)))?;
        self.shared.interim().set_flushed(true);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(self.poll_taken(cx, |inner, cx| inner.poll_shutdown(cx)))?;
        }
        if self.intake.is_refused() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Reset> Drop for Http1Io<T> {
    fn drop(&mut self) {
        if self.shared.is_to_reset()
            && let Err(error) = self.inner.reset_on_close()
        {
            tracing::debug!(%error, "connection was gone already");
        }
    }
}
