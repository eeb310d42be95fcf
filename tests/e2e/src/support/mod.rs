//! What the tests are made of: the daemon, agents, programs to be held, and waiting with a deadline.

pub(crate) mod agent;
pub(crate) mod api;
pub(crate) mod attempt;
pub(crate) mod cli;
pub(crate) mod daemon;
pub(crate) mod fuse;
pub(crate) mod ledger;
pub(crate) mod manager;
pub(crate) mod maps;
pub(crate) mod persons;
pub(crate) mod programs;
pub(crate) mod service;
pub(crate) mod snapshot;
pub(crate) mod wait;
