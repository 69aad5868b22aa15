//! Carries gantz's frames between relay and agent. [`quic`] is the only folder of the product that names quinn, so that
//! another transport can stand beside it; [`frames`], [`body`], [`control`] and [`splice`] are what both ends do with a
//! stream, and [`runtime`] is what drives it all.

pub mod body;
pub mod control;
pub mod frames;
pub mod quic;
pub mod runtime;
pub mod splice;

pub use body::{BodyError, MessageBody};
pub use frames::{FrameReader, FrameWriter, ReadError};
pub use quic::{ConnectError, Connection, Dropped, Lost, RecvStream, SendStream, WriteError};
