//! The kernel half, seen from user space: load it or adopt it, and read and write its maps.
#![forbid(unsafe_code)]

mod adopt;
mod agents;
mod bits;
mod btf;
mod counters;
mod guard;
mod keep;
mod load;
mod maps;
mod tags;

pub(crate) use adopt::{Pins, adopt, is_attached, remove};
pub(crate) use agents::{Declaration, Running, Tagged};
#[cfg(feature = "failpoints")]
pub(crate) use counters::names as counter_names;
pub(crate) use counters::read_all as counters;
pub(crate) use guard::Refused;
pub(crate) use load::{KernelError, open};
pub(crate) use maps::{Gate, Old};
pub(crate) use tags::Tags;
