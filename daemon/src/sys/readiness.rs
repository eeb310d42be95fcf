//! Waiting for the ring buffer.

use std::io;

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

/// Has the runtime watch the ring buffer.
///
/// # Errors
/// When the runtime cannot watch it.
pub(crate) fn watch(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    // SAFETY: the descriptor must be open, and the same, as long as the value lives: a `RingBuf` owns its map's
    // descriptor, gives out no way to take it, and closes it when it is dropped.
    unsafe { AsyncFd::register(ring) }.map_err(io::Error::from)
}
