//! The HTTP API on two Unix sockets: one where people decide, one where agents ask.
//!
//! This module knows who calls (peer credentials), who may, and what an answer looks like. It decides
//! nothing about requests: every question goes to a [`Desk`], which the engine implements. A caller that
//! is slow, silent or many takes up its own connection and no more.
#![forbid(unsafe_code)]

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

pub(crate) use access::Access;
pub(crate) use bind::bind;
pub(crate) use desk::{Desk, Peer, Which};
pub(crate) use problem::Kind;
pub(crate) use serve::{Door, serve};
