//! Opening the database: whose it is, whether it is whole, which version it has.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{Store, StoreError};

/// The file inside the state directory.
pub(super) const FILE_NAME: &str = "holdpoint.db";

/// The migrations in their order. The version of a database is how many of them it has seen.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_declared_agents.sql"),
    include_str!("migrations/0003_bound.sql"),
    include_str!("migrations/0004_denied.sql"),
];

/// Says in the file's header that the database is ours: the letters `hold`.
const APPLICATION_ID: i64 = 0x686f_6c64;

/// How long to wait for a person who has the database open in `sqlite3`. The daemon is its only user.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How large the write-ahead log may stay on disk after a burst.
const JOURNAL_BYTES: i64 = 8 << 20;

pub(super) fn open(directory: &Path) -> Result<Store, StoreError> {
    let path = directory.join(FILE_NAME);
    make_file(directory, &path)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // SQLITE_OPEN_NOFOLLOW refuses links in every component, and /var/lib may well be one.
    let real = std::fs::canonicalize(&path).map_err(|cause| files("open the database", &path, cause))?;
    let connection = Connection::open_with_flags(&real, flags)
        .map_err(|cause| StoreError::sqlite("open a connection", path.clone(), cause))?;
    let mut store = Store { connection, path };
    store.configure()?;
    store.check()?;
    store.migrate()?;
    Ok(store)
}

impl Store {
    fn configure(&self) -> Result<(), StoreError> {
        let set = || {
            self.connection.busy_timeout(BUSY_TIMEOUT)?;
            self.connection.pragma_update(None, "foreign_keys", true)?;
            // What lets a program run must be on the disk, not on its way there.
            self.connection.pragma_update(None, "synchronous", "FULL")?;
            self.connection.pragma_update(None, "trusted_schema", false)?;
            self.connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
            self.connection
                .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        };
        let mode = set().map_err(|cause| self.failed("switch to the write-ahead log", cause))?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        let cause = io::Error::other(format!("SQLite stayed in journal mode '{mode}'"));
        Err(files("use the write-ahead log of the database", &self.path, cause))
    }

    fn check(&self) -> Result<(), StoreError> {
        let application = self.pragma("application_id")?;
        let version = self.pragma("user_version")?;
        let known = known_version();
        if application != APPLICATION_ID && (application != 0 || self.has_tables()?) {
            return Err(StoreError::Foreign { path: self.path.clone() });
        }
        if version > known {
            return Err(StoreError::Newer { path: self.path.clone(), found: version, known });
        }
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|cause| self.failed("check the pages", cause))?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt { path: self.path.clone(), found }) }
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let from = usize::try_from(self.pragma("user_version")?).unwrap_or(0);
        let path = self.path.clone();
        for (index, sql) in MIGRATIONS.iter().enumerate().skip(from) {
            let version = i64::try_from(index + 1).unwrap_or(i64::MAX);
            let run = |connection: &mut Connection| {
                let transaction = connection.transaction()?;
                transaction.execute_batch(sql)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.pragma_update(None, "user_version", version)?;
                transaction.commit()
            };
            run(&mut self.connection).map_err(|cause| {
                StoreError::sqlite("make the tables of this version", path.clone(), cause)
            })?;
        }
        Ok(())
    }

    fn pragma(&self, name: &'static str) -> Result<i64, StoreError> {
        self.connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|cause| self.failed("read the header", cause))
    }

    fn has_tables(&self) -> Result<bool, StoreError> {
        self.connection
            .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
            .map_err(|cause| self.failed("read the schema", cause))
    }
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Makes the file, readable by its owner alone, or looks at the one that is there.
fn make_file(directory: &Path, path: &Path) -> Result<(), StoreError> {
    let found =
        std::fs::metadata(directory).map_err(|cause| files("use the state directory", directory, cause))?;
    if !found.is_dir() {
        return Err(files("use the state directory", directory, io::ErrorKind::NotADirectory.into()));
    }
    if let Some(reason) = who_else_writes(&found) {
        return Err(StoreError::Unsafe {
            path: path.into(),
            reason: format!("its directory {reason}"),
            cure: "make the directory owned by the user that holdpointd runs as, with mode 0700".to_owned(),
        });
    }
    let file = open_file(path).map_err(|cause| files("create or open the database", path, cause))?;
    let found = file.metadata().map_err(|cause| files("look at the database", path, cause))?;
    let reason =
        if found.is_file() { who_else_writes(&found) } else { Some("is not a regular file".to_owned()) };
    match reason {
        None => Ok(()),
        Some(reason) => Err(StoreError::Unsafe {
            path: path.into(),
            reason: format!("it {reason}"),
            cure: "find out who changed it and whether its content can be trusted, then give it to the user \
                   that holdpointd runs as, with mode 0600"
                .to_owned(),
        }),
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let no_follow = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
}

/// Why somebody other than this process's user could write it, where so.
fn who_else_writes(found: &Metadata) -> Option<String> {
    let own = nix::unistd::geteuid().as_raw();
    if found.uid() != own {
        return Some(format!("belongs to uid {}, and holdpointd runs as uid {own}", found.uid()));
    }
    let mode = found.mode() & 0o7777;
    (mode & 0o022 != 0).then(|| format!("can be written by its group or by others (mode {mode:04o})"))
}

fn files(operation: &'static str, path: &Path, cause: io::Error) -> StoreError {
    StoreError::files(operation, path.into(), cause)
}
