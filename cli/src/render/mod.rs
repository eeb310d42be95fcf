//! Text for people. Pure: what is shown, the time and the style come in, a string comes out.
//!
//! Whatever an agent wrote goes through `holdpoint_core::escape`, every line fits [`WIDTH`] columns, and the
//! length of everything has a limit, unless `show --full` asks for all of it.

pub(crate) mod agents;
pub(crate) mod doctor;
pub(crate) mod log;
pub(crate) mod pending;
pub(crate) mod policy;
pub(crate) mod recover;
pub(crate) mod request;
mod sheet;
pub(crate) mod status;
mod style;
pub(crate) mod summary;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod why;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub(crate) use style::Style;

/// The columns of a terminal that every line fits into.
pub(crate) const WIDTH: usize = 80;
