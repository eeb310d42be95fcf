//! Changes. Each batch is one transaction: it is on the disk as a whole, or it never was.

use holdpoint_core::{id::AgentId, request::Request, request::Vote, time::WallTime, wire::LogEvent};
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, named_params, params};

use super::{
    Store, StoreError,
    rows::{NewAgent, StoredRequest, Write, phase},
};

/// Adds an entry after the highest. The number is found inside the transaction, so it leaves no gap when
/// the transaction fails, and no two entries get one number.
const APPEND: &str = "INSERT INTO log (seq, at, request, agent, event)
    VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM log), ?1, ?2, ?3, ?4)";

/// What an operation inside a transaction can run into.
enum Trouble {
    Sqlite(rusqlite::Error),
    Missing(String),
}

impl Store {
    /// Writes all of a batch, in its order. When this returns without an error, it is on the disk.
    ///
    /// # Errors
    /// When the disk is full or fails, when a request or agent that is referred to is not there, or when an
    /// id or hold is there already. Nothing of the batch is stored then.
    pub(crate) fn write(&mut self, batch: &[Write]) -> Result<(), StoreError> {
        self.transact(|transaction| batch.iter().try_for_each(|write| apply(transaction, write)))
    }

    /// Gives a new agent its number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn new_agent(&mut self, agent: &NewAgent) -> Result<AgentId, StoreError> {
        let number = self.transact(|transaction| {
            transaction.prepare_cached(
                "INSERT INTO agents (name, claim, root_pid, root_start, boot_id, uid, login_uid, tagged_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .insert(params![
                agent.name,
                agent.claim.as_ref().map(|claim| &claim.0),
                agent.root_pid,
                agent.root_start.cast_signed(),
                agent.boot_id,
                agent.uid,
                agent.login_uid,
                agent.tagged_at.0.cast_signed(),
            ])
            .map_err(Trouble::from)
        })?;
        self.agent_id(number)
    }

    /// The number of the agent that is declared under this name: the one that it has, or a new one.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) fn declared_agent(&mut self, name: &str, at: WallTime) -> Result<AgentId, StoreError> {
        let number = self.transact(|transaction| {
            let known = transaction
                .prepare_cached("SELECT id FROM agents WHERE name = ?1 AND declared = 1")?
                .query_row([name], |row| row.get::<_, i64>(0))
                .optional()?;
            if let Some(known) = known {
                return Ok(known);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO agents (name, root_pid, root_start, boot_id, uid, tagged_at, declared)
                     VALUES (?1, 0, 0, '', 0, ?2, 1)",
                )?
                .insert(params![name, at.0.cast_signed()])
                .map_err(Trouble::from)
        })?;
        self.agent_id(number)
    }

    fn agent_id(&self, number: i64) -> Result<AgentId, StoreError> {
        let out_of_range = |_| self.row_error("the number of an agent", "it is beyond 32 bits");
        u32::try_from(number).map(AgentId).map_err(out_of_range)
    }

    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let run = |connection: &mut rusqlite::Connection| {
            // Immediate: to find out at the start, not in the middle, that somebody else writes.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run(&mut self.connection).map_err(|trouble| match trouble {
            Trouble::Sqlite(cause) => self.failed("write", cause),
            Trouble::Missing(id) => StoreError::Missing { id, path: self.path.clone() },
        })
    }
}

fn apply(transaction: &Transaction<'_>, write: &Write) -> Result<(), Trouble> {
    match write {
        Write::NewRequest(stored) => new_request(transaction, stored),
        Write::UpdateRequest { request, ended_at, note } => {
            let changed = transaction
                .prepare_cached(
                    "UPDATE requests SET hold = :hold, deadline = :deadline, valid_for = :valid_for, phase = :phase,
                         state = :state, ended_at = coalesce(:ended_at, ended_at), note = coalesce(:note, note)
                     WHERE id = :id",
                )?
                .execute(named_params! {
                    ":id": request.id.as_str(),
                    ":hold": request.hold.0.get().cast_signed(),
                    ":deadline": request.deadline.0.cast_signed(),
                    ":valid_for": nanoseconds(request),
                    ":phase": phase(&request.state),
                    ":state": json(&request.state)?,
                    ":ended_at": ended_at.map(|at| at.0.cast_signed()),
                    ":note": note,
                })?;
            if changed == 1 { Ok(()) } else { Err(Trouble::Missing(request.id.to_string())) }
        }
        Write::Vote { request, vote } => add_vote(transaction, request.as_str(), vote),
        Write::Denied { request, at } => {
            transaction
                .prepare_cached("UPDATE requests SET denied_boot = ?2 WHERE id = ?1")?
                .execute(params![request.as_str(), at.0.cast_signed()])?;
            Ok(())
        }
        Write::Log { at, request, agent, event } => {
            let request = request.as_ref().map(|id| id.as_str());
            append(transaction, at.0, request, agent.as_deref(), event)
        }
    }
}

fn new_request(transaction: &Transaction<'_>, stored: &StoredRequest) -> Result<(), Trouble> {
    let request = &stored.request;
    transaction
        .prepare_cached(
            "INSERT INTO requests (id, agent, hold, boot_id, wait, made_boot, deadline, valid_for, phase, state,
                 decision, facts, made_at, ended_at, note, bound, voted_with)
             VALUES (:id, :agent, :hold, :boot_id, :wait, :made_boot, :deadline, :valid_for, :phase, :state,
                 :decision, :facts, :made_at, :ended_at, :note, :bound, :voted_with)",
        )?
        .insert(named_params! {
            ":id": request.id.as_str(),
            ":agent": stored.agent.0,
            ":hold": request.hold.0.get().cast_signed(),
            ":boot_id": stored.boot_id,
            ":wait": json(&request.wait)?,
            ":made_boot": request.made_at.0.cast_signed(),
            ":deadline": request.deadline.0.cast_signed(),
            ":valid_for": nanoseconds(request),
            ":phase": phase(&request.state),
            ":state": json(&request.state)?,
            ":decision": json(&stored.decision)?,
            ":facts": stored.facts.as_ref().map(json).transpose()?,
            ":made_at": stored.made_at.0.cast_signed(),
            ":ended_at": stored.ended_at.map(|at| at.0.cast_signed()),
            ":note": stored.note,
            ":bound": stored.bound.as_ref().map(json).transpose()?,
            ":voted_with": stored.with.as_ref().map(|id| id.as_str()),
        })?;
    stored.votes.iter().try_for_each(|vote| add_vote(transaction, request.id.as_str(), vote))
}

fn add_vote(transaction: &Transaction<'_>, request: &str, vote: &Vote) -> Result<(), Trouble> {
    transaction
        .prepare_cached("INSERT INTO votes (request, kind, voter, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .insert(params![
            request,
            json(&vote.kind)?,
            json(&vote.voter)?,
            vote.reason,
            vote.at.0.cast_signed()
        ])?;
    Ok(())
}

fn append(
    transaction: &Transaction<'_>,
    at: u64,
    request: Option<&str>,
    agent: Option<&str>,
    event: &LogEvent,
) -> Result<(), Trouble> {
    transaction.prepare_cached(APPEND)?.insert(params![at.cast_signed(), request, agent, json(event)?])?;
    Ok(())
}

fn nanoseconds(request: &Request) -> i64 {
    i64::try_from(request.valid_for.as_nanos()).unwrap_or(i64::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value)
        .map_err(|cause| Trouble::Sqlite(rusqlite::Error::ToSqlConversionFailure(cause.into())))
}

impl From<rusqlite::Error> for Trouble {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Sqlite(cause)
    }
}
