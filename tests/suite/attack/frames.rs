//! HTTP/2 frames as a peer says them who keeps to no rule (RFC 9113 §4), and what comes back.

use std::pin::Pin;
use std::time::Duration;

use gantz_tests::client::Io;
use gantz_tests::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// The code of a peer that does too much (RFC 9113 §7).
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// Length of a frame's header (RFC 9113 §4.1).
pub(crate) const FRAME_HEADER: usize = 9;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A string of HPACK without Huffman coding (RFC 7541 §5.2).
fn string(text: &str) -> Vec<u8> {
    let mut coded = integer(text.len(), 0, 7);
    coded.extend_from_slice(text.as_bytes());
    coded
}

/// An integer of HPACK behind the bits of `first` (RFC 7541 §5.1).
fn integer(mut value: usize, first: u8, bits: u32) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let mut coded = vec![first | u8::try_from(most).unwrap()];
    value -= most;
    while value >= 128 {
        coded.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    coded.push(u8::try_from(value).unwrap());
    coded
}

/// A field that is not to be remembered, or that is (RFC 7541 §6.2).
pub(crate) fn field(name: &str, value: &str, is_remembered: bool) -> Vec<u8> {
    let mut coded = vec![if is_remembered { 0x40 } else { 0 }];
    coded.extend(string(name));
    coded.extend(string(value));
    coded
}

/// The block of a request that is all right.
pub(crate) fn request(method: &str, host: &str, path: &str, token: &str) -> Vec<u8> {
    let fields =
        [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), ("x-api-key", token)];
    fields.iter().flat_map(|(name, value)| field(name, value, false)).collect()
}

/// What came back over a whole connection.
#[derive(Debug, Default, Clone)]
pub(crate) struct Came {
    /// Frames by kind.
    pub(crate) frames: [usize; 10],
    /// Bytes of answers' bodies.
    pub(crate) data: usize,
    /// The last `PING` that wants an answer, and which it is.
    ping: Option<(usize, [u8; 8])>,
    /// How much of a body the relay takes before it gives credit: its `SETTINGS_INITIAL_WINDOW_SIZE`.
    pub(crate) window: Option<u32>,
    /// The code of the last `GOAWAY`.
    pub(crate) goaway: Option<u32>,
}

/// A connection of HTTP/2 that says what it is told. Reads by itself, unless it is told not to.
pub(crate) struct Peer {
    writer: WriteHalf<Pin<Box<dyn Io>>>,
    reader: Option<ReadHalf<Pin<Box<dyn Io>>>>,
    reading: Option<JoinHandle<Came>>,
    came: watch::Receiver<Came>,
    tell: Option<watch::Sender<Came>>,
}

impl Peer {
    /// Opens with the preface and these settings.
    pub(crate) async fn open(io: Pin<Box<dyn Io>>, settings: &[u8]) -> Self {
        let (reader, writer) = tokio::io::split(io);
        let (tell, came) = watch::channel(Came::default());
        let mut peer = Self { writer, reader: Some(reader), reading: None, came, tell: Some(tell) };
        assert!(peer.say(PREFACE).await && peer.say(&frame(SETTINGS, 0, 0, settings)).await);
        peer
    }

    /// From now on, reads all that comes.
    pub(crate) fn reads(mut self) -> Self {
        self.reading = self.reader.take().zip(self.tell.take()).map(|(reader, tell)| tokio::spawn(read(reader, tell)));
        self
    }

    /// Whether this could be said.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> bool {
        self.writer.write_all(bytes).await.is_ok() && self.writer.flush().await.is_ok()
    }

    /// Says one of `pieces` after the other, until it cannot.
    pub(crate) async fn flood(&mut self, pieces: impl Iterator<Item = Vec<u8>>) {
        for piece in pieces {
            if !self.say(&piece).await {
                return;
            }
        }
    }

    /// Says `piece` again and again, one in each `interval`, until the relay has closed.
    pub(crate) async fn drip(&mut self, interval: Duration, piece: &[u8]) {
        loop {
            let closed = async { while self.came.changed().await.is_ok() {} };
            if timeout(interval, closed).await.is_ok() || !self.say(piece).await {
                return;
            }
        }
    }

    /// Waits until `number` frames of a kind have come, after `prompt` was said; shows the relay meanwhile that the
    /// caller is alive.
    pub(crate) async fn until(&mut self, kind: u8, number: usize, prompt: &[u8]) {
        assert!(self.say(prompt).await, "closed before");
        let mut answered = None;
        loop {
            let came = self.came.borrow_and_update().clone();
            if came.frames[usize::from(kind)] >= number {
                return;
            }
            if let Some(asked) = came.ping.filter(|asked| answered != Some(*asked)) {
                assert!(self.say(&frame(PING, ACK, 0, &asked.1)).await, "closed before");
                answered = Some(asked);
            }
            assert!(self.came.changed().await.is_ok(), "closed with {came:?}");
        }
    }

    /// Everything that came, once the relay has closed; fails when it does not.
    pub(crate) async fn closed(self, what: &str) -> Came {
        within(what, self.reading.expect("it reads")).await.unwrap()
    }

    /// Everything that came, once the caller has closed.
    pub(crate) async fn close(mut self) -> Came {
        // A relay that has closed already is as good.
        let _ = self.writer.shutdown().await;
        within("the end of a connection that the caller has closed", self.reading.expect("it reads")).await.unwrap()
    }
}

async fn read(mut reader: ReadHalf<Pin<Box<dyn Io>>>, tell: watch::Sender<Came>) -> Came {
    let mut came = Came::default();
    let mut payload = Vec::new();
    loop {
        let mut head = [0; FRAME_HEADER];
        if reader.read_exact(&mut head).await.is_err() {
            return came;
        }
        payload.resize(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize, 0);
        if reader.read_exact(&mut payload).await.is_err() {
            return came;
        }
        let kind = head[3];
        came.frames[usize::from(kind)] += 1;
        match kind {
            DATA => came.data += payload.len(),
            PING if head[4] & ACK == 0 => {
                came.ping = Some((came.frames[usize::from(PING)], payload[..].try_into().unwrap()));
            }
            SETTINGS => {
                let initial = payload.chunks_exact(6).find(|setting| setting[..2] == [0, 4]);
                came.window =
                    initial.map(|setting| u32::from_be_bytes(setting[2..].try_into().unwrap())).or(came.window);
            }
            GOAWAY => came.goaway = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap())),
            _ => {}
        }
        tell.send_replace(came.clone());
    }
}
