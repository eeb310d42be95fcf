//! A little world around one request: the kernel half, the daemon, its disk, and time.

mod daemon;
mod kernel;

pub(crate) use daemon::{Daemon, Disk};
pub(crate) use kernel::{Kernel, Task};
