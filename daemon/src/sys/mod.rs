//! The only place of the daemon with unsafe code: system calls that no crate has, and layouts.

pub(crate) mod attributes;
pub(crate) mod bpf;
pub(crate) mod clock;
pub(crate) mod descriptors;
pub(crate) mod memory;
pub(crate) mod pod;
pub(crate) mod process;
pub(crate) mod readiness;
