//! Rows of the database as the values that they stand for.

use std::{num::NonZeroU64, time::Duration};

use holdpoint_core::{
    alleged::Alleged,
    id::{AgentId, HoldId, RequestId},
    request::{Request, Vote},
    time::{BootTime, WallTime},
    wire::LogEntry,
};
use rusqlite::Row;
use serde::de::DeserializeOwned;

use super::rows::{AgentRow, NewAgent, StoredRequest};

/// The columns that [`request_row`] reads, in their order.
pub(super) const REQUEST: &str =
    "SELECT requests.id, requests.agent, agents.name, hold, requests.boot_id, wait, made_boot, deadline,
    valid_for, state, decision, facts, made_at, ended_at, note, bound, voted_with
    FROM requests JOIN agents ON agents.id = requests.agent";

pub(super) fn request_row(row: &Row<'_>) -> rusqlite::Result<StoredRequest> {
    let request = Request {
        id: id_at(row, 0)?,
        hold: HoldId(
            NonZeroU64::new(unsigned_at(row, 3)?).ok_or_else(|| invalid(3, "a hold is never zero"))?,
        ),
        wait: json_at(row, 5)?,
        made_at: BootTime(unsigned_at(row, 6)?),
        deadline: BootTime(unsigned_at(row, 7)?),
        valid_for: Duration::from_nanos(unsigned_at(row, 8)?),
        state: json_at(row, 9)?,
    };
    Ok(StoredRequest {
        request,
        agent: AgentId(row.get(1)?),
        agent_name: row.get(2)?,
        boot_id: row.get(4)?,
        decision: json_at(row, 10)?,
        facts: row.get::<_, Option<String>>(11)?.map(|text| from_json(&text, 11)).transpose()?,
        bound: row.get::<_, Option<String>>(15)?.map(|text| from_json(&text, 15)).transpose()?,
        with: row.get::<_, Option<String>>(16)?.map(|_| id_at(row, 16)).transpose()?,
        votes: Vec::new(),
        made_at: WallTime(unsigned_at(row, 12)?),
        ended_at: row.get::<_, Option<i64>>(13)?.map(|at| WallTime(at.cast_unsigned())),
        note: row.get(14)?,
    })
}

pub(super) fn agent_row(id: AgentId, row: &Row<'_>) -> rusqlite::Result<AgentRow> {
    let agent = NewAgent {
        name: row.get(0)?,
        claim: row.get::<_, Option<Vec<u8>>>(1)?.map(Alleged),
        root_pid: row.get(2)?,
        root_start: unsigned_at(row, 3)?,
        boot_id: row.get(4)?,
        uid: row.get(5)?,
        login_uid: row.get(6)?,
        tagged_at: WallTime(unsigned_at(row, 7)?),
    };
    Ok(AgentRow { id, agent, declared: row.get(8)? })
}

pub(super) fn vote_row(row: &Row<'_>) -> rusqlite::Result<Vote> {
    Ok(Vote {
        kind: json_at(row, 0)?,
        voter: json_at(row, 1)?,
        reason: row.get(2)?,
        at: WallTime(unsigned_at(row, 3)?),
    })
}

pub(super) fn log_row(row: &Row<'_>) -> rusqlite::Result<LogEntry> {
    let request: Option<String> = row.get(2)?;
    Ok(LogEntry {
        seq: unsigned_at(row, 0)?,
        at: WallTime(unsigned_at(row, 1)?),
        request: request.map(|text| text.parse().map_err(|cause| failure(2, cause))).transpose()?,
        agent: row.get(3)?,
        event: json_at(row, 4)?,
    })
}

pub(super) fn id_at(row: &Row<'_>, column: usize) -> rusqlite::Result<RequestId> {
    row.get::<_, String>(column)?.parse().map_err(|cause| failure(column, cause))
}

fn unsigned_at(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

pub(super) fn json_at<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    from_json(&row.get::<_, String>(column)?, column)
}

fn from_json<T: DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|cause| failure(column, cause))
}

fn invalid(column: usize, cause: &'static str) -> rusqlite::Error {
    failure(column, std::io::Error::other(cause))
}

fn failure(column: usize, cause: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(cause))
}
