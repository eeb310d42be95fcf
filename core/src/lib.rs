//! The deciding half of holdpoint: policy, requests, votes, clocks, escaping.
//!
//! Architecture invariant: nothing here does I/O. This crate knows no socket, file, clock, thread or
//! kernel; time and events are arguments, and what shall be done comes back as a value.
#![forbid(unsafe_code)]

pub mod agent;
pub mod alleged;
pub mod component;
pub mod config;
pub mod diagnostic;
mod document;
pub mod escape;
pub mod facts;
pub mod flood;
pub mod grant;
pub mod id;
pub mod loader;
pub mod memory;
pub mod policy;
pub mod proc;
pub mod record;
pub mod request;
pub mod time;
pub mod wire;
