//! Questions to the store. Each has a bounded answer.

use holdpoint_core::{
    id::{AgentId, RequestId},
    request::Vote,
    wire::LogEntry,
};
use rusqlite::{OptionalExtension as _, Params, params};

use super::{
    Store, StoreError,
    decode::{REQUEST, agent_row, id_at, log_row, request_row, vote_row},
    rows::{AgentRow, Found, StoredRequest},
};

/// The most ids that [`Found::Many`] names.
const MANY: u32 = 8;

impl Store {
    /// The agent of that number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn agent(&self, id: AgentId) -> Result<Option<AgentRow>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT name, claim, root_pid, root_start, boot_id, uid, login_uid, tagged_at, declared FROM agents WHERE id = ?1",
            )
            .and_then(|mut statement| statement.query_row([id.0], |row| agent_row(id, row)).optional())
            .map_err(|cause| self.failed("read an agent", cause))
    }

    /// The number of the agent that is declared under this name; none where it never was.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn declared_agent_id(&self, name: &str) -> Result<Option<AgentId>, StoreError> {
        self.connection
            .prepare_cached("SELECT id FROM agents WHERE name = ?1 AND declared = 1")
            .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
            .map(|number| number.map(AgentId))
            .map_err(|cause| self.failed("read an agent", cause))
    }

    /// The requests to which something can still happen, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn open_requests(&self) -> Result<Vec<StoredRequest>, StoreError> {
        self.requests("WHERE phase <> 'ended' ORDER BY number", [])
    }

    /// The requests that wait for a vote, the oldest first, and no more than `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn pending(&self, limit: u32) -> Result<Vec<StoredRequest>, StoreError> {
        // The first condition lets SQLite use the index of the open requests.
        self.requests("WHERE phase <> 'ended' AND phase = 'pending' ORDER BY number LIMIT ?1", [limit])
    }

    /// The newest `limit` requests in whatever state, the oldest of them first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn recent(&self, limit: u32) -> Result<Vec<StoredRequest>, StoreError> {
        let mut newest_first = self.requests("ORDER BY number DESC LIMIT ?1", [limit])?;
        newest_first.reverse();
        Ok(newest_first)
    }

    /// The request of that id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn request(&self, id: &RequestId) -> Result<Option<StoredRequest>, StoreError> {
        Ok(self.requests("WHERE requests.id = ?1", [id.as_str()])?.pop())
    }

    /// What the beginning of an id leads to: among the pending requests where it fits any of them, else
    /// among all. `prefix` is what [`holdpoint_core::id::parse_prefix`] gave.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn find(&self, prefix: &str) -> Result<Found, StoreError> {
        let pending = "SELECT id FROM requests WHERE phase <> 'ended' AND phase = 'pending'
            AND id >= ?1 AND id < ?1 || '{' ORDER BY number DESC LIMIT ?2";
        let all = "SELECT id FROM requests WHERE id >= ?1 AND id < ?1 || '{' ORDER BY number DESC LIMIT ?2";
        for sql in [pending, all] {
            let mut ids = self.ids(sql, prefix)?;
            match (ids.len(), ids.pop()) {
                (_, None) => {}
                (1, Some(id)) => return Ok(Found::One(id)),
                (_, Some(last)) => {
                    ids.push(last);
                    return Ok(Found::Many(ids));
                }
            }
        }
        Ok(Found::None)
    }

    /// Whether a request has, or had, that id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn id_in_use(&self, id: &RequestId) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM requests WHERE id = ?1)")
            .and_then(|mut statement| statement.query_row([id.as_str()], |row| row.get(0)))
            .map_err(|cause| self.failed("look for an id", cause))
    }

    /// Entries of the record, the oldest first: the first `limit` after number `after`, or without it the
    /// last `limit` there are. `request` leaves only the entries about one request.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn log(
        &self,
        after: Option<u64>,
        limit: u32,
        request: Option<&RequestId>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        // Two texts for two indexes: `?2 IS NULL OR request = ?2` would read the whole table.
        let filter = if request.is_some() { "request = ?2" } else { "?2 IS NULL" };
        let order = if after.is_some() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT seq, at, request, agent, event FROM log WHERE seq > ?1 AND {filter} ORDER BY seq {order} LIMIT ?3"
        );
        let after_signed = i64::try_from(after.unwrap_or(0)).unwrap_or(i64::MAX);
        let mut entries = self
            .connection
            .prepare_cached(&sql)
            .and_then(|mut statement| {
                let rows = statement
                    .query_map(params![after_signed, request.map(|id| id.as_str()), limit], log_row)?;
                rows.collect::<Result<Vec<_>, _>>()
            })
            .map_err(|cause| self.unreadable("an entry of the log", cause))?;
        if after.is_none() {
            entries.reverse();
        }
        Ok(entries)
    }

    pub(super) fn row_error(&self, what: &str, cause: &str) -> StoreError {
        StoreError::Row { what: what.to_owned(), path: self.path.clone(), cause: cause.to_owned() }
    }

    fn requests(&self, which: &str, parameters: impl Params) -> Result<Vec<StoredRequest>, StoreError> {
        let mut requests = self
            .connection
            .prepare_cached(&format!("{REQUEST} {which}"))
            .and_then(|mut statement| {
                statement.query_map(parameters, request_row)?.collect::<Result<Vec<_>, _>>()
            })
            .map_err(|cause| self.unreadable("a request", cause))?;
        for stored in &mut requests {
            stored.votes = self.votes(&stored.request.id)?;
        }
        Ok(requests)
    }

    fn votes(&self, id: &RequestId) -> Result<Vec<Vote>, StoreError> {
        self.connection
            .prepare_cached("SELECT kind, voter, reason, at FROM votes WHERE request = ?1 ORDER BY number")
            .and_then(|mut statement| {
                statement.query_map([id.as_str()], vote_row)?.collect::<Result<Vec<_>, _>>()
            })
            .map_err(|cause| self.unreadable("a vote", cause))
    }

    fn ids(&self, sql: &str, prefix: &str) -> Result<Vec<RequestId>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement
                    .query_map(params![prefix, MANY], |row| id_at(row, 0))?
                    .collect::<Result<Vec<_>, _>>()
            })
            .map_err(|cause| self.unreadable("the id of a request", cause))
    }

    /// Tells a row that makes no sense from a database that cannot be read.
    pub(super) fn unreadable(&self, what: &'static str, cause: rusqlite::Error) -> StoreError {
        match cause {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => self.row_error(what, &cause.to_string()),
            other => self.failed("read", other),
        }
    }
}
