//! The HTTP API on two Unix sockets: one where people decide, one where agents ask.
//!
//! This module knows who calls (peer credentials), who may, and what an answer looks like. It decides
//! nothing about requests: every question goes to a [`Desk`], which the engine implements. A caller that
//! is slow, silent or many takes up its own connection and no more.

mod access;
mod agent;
mod bind;
mod control;
mod desk;
mod events;
mod extract;
mod problem;
mod serve;
mod stall;

#[cfg(test)]
mod tests;

pub use access::Access;
pub use bind::{BindError, bind};
pub use desk::{Desk, Peer, Which};
pub use problem::Kind;
pub use serve::{Door, serve};
