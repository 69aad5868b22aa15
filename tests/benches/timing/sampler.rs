//! Requests, one at a time: in each round one of each kind, in an order of its own, on the same connection. Whatever
//! changes slowly meets all kinds alike, and none always comes behind the same other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;

use crate::relay::World;

/// Rounds that are not counted, as a share of those that are.
const WARM_UP: usize = 20;

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one kind took, in the order it was measured.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) status: &'static str,
    pub(crate) nanos: Vec<f64>,
}

/// `samples` requests of each kind of `world`.
pub(crate) fn measure(world: &World, samples: usize, connections: usize) -> Vec<Measured> {
    let mut connections: Vec<Connection> = (0..connections).map(|_| Connection::open(world.address)).collect();
    let requests: Vec<Vec<u8>> = world
        .kinds
        .iter()
        .map(|kind| {
            let (authority, token) = (&kind.authority, &kind.token);
            format!("GET /mcp HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
        })
        .collect();
    let measured = |kind: &crate::relay::Kind| Measured {
        name: kind.name,
        status: kind.status,
        nanos: Vec::with_capacity(samples),
    };
    let mut all: Vec<Measured> = world.kinds.iter().map(measured).collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    let warm_up = samples / WARM_UP;
    let turns = connections.len();
    for round in 0..warm_up + samples {
        order.shuffle(&mut rand::rng());
        for kind in &order {
            let (took, status) = connections[round % turns].ask(&requests[*kind]);
            assert_eq!(status, all[*kind].status.as_bytes(), "{}", all[*kind].name);
            if round >= warm_up {
                all[*kind].nanos.push(took.as_nanos() as f64);
            }
        }
    }
    all
}

/// A kept connection, HTTP/1.1 without TLS, as it stands: a client library would add its own noise.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, answer: vec![0; 64 * 1024] }
    }

    /// The time until the whole answer was there, and its status.
    fn ask(&mut self, request: &[u8]) -> (Duration, [u8; 3]) {
        let sent = Instant::now();
        self.stream.write_all(request).unwrap();
        let mut length = self.read(0);
        while whole(&self.answer[..length]).is_none_or(|whole| length < whole) {
            length = self.read(length);
        }
        let took = sent.elapsed();
        (took, self.answer[9..12].try_into().unwrap())
    }

    fn read(&mut self, length: usize) -> usize {
        let read = self.stream.read(&mut self.answer[length..]).unwrap();
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.answer[..length]));
        length + read
    }
}

/// The length of the answer that begins here, as soon as its head is whole.
fn whole(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let fields = std::str::from_utf8(&answer[..head]).unwrap();
    let length = fields.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    Some(head + length.expect("a refusal says how long it is"))
}
