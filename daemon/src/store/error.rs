//! What goes wrong with the store, in words that say what to do about it.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the store cannot be opened, read or written.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// The directory cannot be used, or the file in it not be made.
    #[error("cannot {operation} '{path}': {cause}; {cure}")]
    Files {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
        /// What to do.
        cure: &'static str,
    },
    /// Somebody else could write the file, or put another in its place.
    #[error("refusing the database '{path}': {reason}; {cure}")]
    Unsafe {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        cure: String,
    },
    /// The file is damaged.
    #[error(
        "the database '{path}' is damaged: {found}; stop holdpointd, keep a copy for inquiry, \
         then restore a backup or move the file away to start with an empty record"
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        found: String,
    },
    /// The file belongs to something else.
    #[error("'{path}' is a SQLite database, but not one of holdpoint's; move it away")]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A newer holdpointd has written it.
    #[error(
        "the database '{path}' has version {found}, and this holdpointd knows versions up to {known}; \
         install the newer holdpointd again, or restore the backup made before it was installed"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is understood.
        known: i64,
    },
    /// No room.
    #[error(
        "cannot {operation} in the database '{path}': the disk is full; make room on its file system, \
         until then every ask is denied"
    )]
    Full {
        /// What was tried.
        operation: &'static str,
        /// The database.
        path: PathBuf,
    },
    /// No writing.
    #[error(
        "cannot {operation} in the database '{path}': it is read-only; mount its file system read-write, \
         or add its directory to ReadWritePaths= of the unit"
    )]
    ReadOnly {
        /// What was tried.
        operation: &'static str,
        /// The database.
        path: PathBuf,
    },
    /// Another process has it.
    #[error(
        "cannot {operation} in the database '{path}': another process keeps it locked; \
         see who with 'fuser {path}' and end it"
    )]
    Busy {
        /// What was tried.
        operation: &'static str,
        /// The database.
        path: PathBuf,
    },
    /// A request is updated that was never stored.
    #[error("cannot update request '{id}': it is not in the database '{path}'")]
    Missing {
        /// The request.
        id: String,
        /// The database.
        path: PathBuf,
    },
    /// A row says what it cannot say.
    #[error("cannot read {what} from the database '{path}': {cause}; the row was written by something else")]
    Row {
        /// Which row and column.
        what: String,
        /// The database.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// All else.
    #[error("cannot {operation} in the database '{path}': {cause}")]
    Sqlite {
        /// What was tried.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
}

impl StoreError {
    /// Sorts what SQLite said into what a person can do about it.
    pub(super) fn sqlite(operation: &'static str, path: PathBuf, cause: rusqlite::Error) -> Self {
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, found: cause.to_string() }
            }
            Some(ErrorCode::DiskFull) => Self::Full { operation, path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { operation, path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { operation, path },
            _ => Self::Sqlite { operation, path, cause },
        }
    }

    /// Adds the cure to what the file system said.
    pub(super) fn files(operation: &'static str, path: PathBuf, cause: io::Error) -> Self {
        let cure = match cause.kind() {
            io::ErrorKind::NotFound => {
                "create it with 'install -d -m 0700 /var/lib/holdpoint', or let systemd do so by StateDirectory=holdpoint"
            }
            io::ErrorKind::PermissionDenied => {
                "holdpointd must be able to write there: see the owner and mode, and ReadWritePaths= of the unit"
            }
            io::ErrorKind::ReadOnlyFilesystem => "mount its file system read-write",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its file system",
            io::ErrorKind::NotADirectory => "move away what stands in its place",
            _ => "see 'state_directory' in /etc/holdpoint/config.toml",
        };
        Self::Files { operation, path, cause, cure }
    }
}
