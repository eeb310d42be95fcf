//! The record on disk: agents, requests, votes and the log, in one SQLite database.
//!
//! The engine owns the one [`Store`] and calls it from its own thread; nothing here is async. What lets a
//! program run goes through [`Store::write`] first: when that returns, it is on the disk. The whole
//! history is never in memory: every read is of one request, of the open ones, or has a limit.
#![forbid(unsafe_code)]

mod decode;
mod error;
mod flood;
mod open;
mod read;
mod rows;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub(crate) use error::StoreError;
pub(crate) use rows::{Found, NewAgent, StoredRequest, Write};

/// The open database.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the database in the state directory, makes it where there is none, and brings it to this
    /// version. It reads the whole file once to see that it is undamaged.
    ///
    /// # Errors
    /// When the directory or file cannot be used or is not safe, is damaged, foreign, or from a newer
    /// version. Nothing is changed then.
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        open::open(directory)
    }

    fn failed(&self, operation: &'static str, cause: rusqlite::Error) -> StoreError {
        StoreError::sqlite(operation, self.path.clone(), cause)
    }
}
