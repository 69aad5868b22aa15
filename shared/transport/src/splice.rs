//! After an upgrade: raw bytes both ways between a request stream and a connection.

use bytes::BytesMut;
use gantz_shared::reset::StreamCode;
use gantz_shared::wire::Event;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::frames::{FrameReader, FrameWriter};

/// Bytes read from the connection at a time.
const BUFFER: usize = 64 << 10;

/// Copies until both directions have ended, or one of them has failed; then both are given up. `reader` stands behind
/// its `UPGRADED` frame, `writer` has sent its own.
pub async fn splice(reader: &mut FrameReader, writer: &mut FrameWriter, io: impl AsyncRead + AsyncWrite) {
    let (mut from, mut to) = tokio::io::split(io);
    let inbound = async {
        while let Ok(event) = reader.event().await {
            match event {
                Some(Event::Raw(bytes)) => {
                    if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                        reader.stop(StreamCode::Cancelled);
                        return Err(());
                    }
                }
                Some(_) => {}
                None => return to.shutdown().await.map_err(|_| ()),
            }
        }
        Err(())
    };
    let outbound = async {
        let stopped = writer.stopped();
        tokio::pin!(stopped);
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(BUFFER);
            let read = tokio::select! {
                read = from.read_buf(&mut buffer) => read,
                _ = &mut stopped => return Err(()),
            };
            match read {
                Ok(0) => return writer.finish_raw().map_err(|_| ()),
                Ok(_) => writer.raw(buffer.split().freeze()).await.map_err(|_| ())?,
                Err(_) => {
                    writer.reset(StreamCode::Cancelled);
                    return Err(());
                }
            }
        }
    };
    // An error means that the other side is gone; its cause was told there, and there is nobody left to tell here.
    if let Err(()) = tokio::try_join!(inbound, outbound).map(|_| ()) {
        tracing::debug!("upgraded stream broke off");
    }
}
