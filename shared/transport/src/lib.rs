//! Carries gantz's frames between relay and agent. [`quic`] is the only folder of the product that names quinn, [`tcp`]
//! the only one that names h2 for a tunnel; a [`Connection`] and its streams are the same over both. [`frames`],
//! [`body`], [`control`] and [`splice`] are what both ends do with a stream, and [`runtime`] is what drives it all.

pub mod body;
mod connect_error;
mod connection;
pub mod control;
pub mod frames;
pub mod quic;
pub mod runtime;
pub mod splice;
mod stream;
pub mod tcp;

pub use body::{BodyError, MessageBody};
pub use connect_error::ConnectError;
pub use connection::{Connection, Dropped, Lost};
pub use frames::{FrameReader, FrameWriter, ReadError};
pub use stream::{RecvStream, SendStream, StreamLost, WriteError};
