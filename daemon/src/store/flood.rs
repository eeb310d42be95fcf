//! What of the record matters for limits: who asked how much within the last minute, and what was denied just now.

use holdpoint_core::{
    id::{AgentId, RequestId},
    policy::{Action, Decision},
    time::BootTime,
};
use rusqlite::params;

use super::{Store, StoreError, StoredRequest};

impl Store {
    /// What rules said of the requests that were made in this boot since then, the oldest first: the agent, the action and
    /// the time. Without those that waited with others'.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn made_since(
        &self,
        boot_id: &str,
        since: BootTime,
    ) -> Result<Vec<(AgentId, Action, BootTime)>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT agent, decision, made_boot, boot_id, voted_with FROM requests ORDER BY number DESC",
            )?;
            let mut rows = statement.query([])?;
            let mut made = Vec::new();
            // The newest first, so that no more of the history is read than is asked for.
            while let Some(row) = rows.next()? {
                let at = BootTime(row.get::<_, i64>(2)?.cast_unsigned());
                if row.get::<_, String>(3)? != boot_id || at < since {
                    break;
                }
                // Nobody was asked about it by itself.
                if row.get::<_, Option<String>>(4)?.is_some() {
                    continue;
                }
                let decision: Decision = super::decode::json_at(row, 1)?;
                made.push((AgentId(row.get(0)?), decision.action, at));
            }
            made.reverse();
            Ok(made)
        };
        read().map_err(|cause| self.unreadable("a request", cause))
    }

    /// The requests that people denied in this boot since then, in the order in which they did, with the time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn denied_since(
        &self,
        boot_id: &str,
        since: BootTime,
    ) -> Result<Vec<(StoredRequest, BootTime)>, StoreError> {
        let read = || {
            self.connection
                .prepare_cached(
                    "SELECT id, denied_boot FROM requests WHERE denied_boot IS NOT NULL AND denied_boot >= ?1
                         AND boot_id = ?2 ORDER BY denied_boot, number",
                )?
                .query_map(params![since.0.cast_signed(), boot_id], |row| {
                    Ok((super::decode::id_at(row, 0)?, BootTime(row.get::<_, i64>(1)?.cast_unsigned())))
                })?
                .collect::<Result<Vec<(RequestId, BootTime)>, _>>()
        };
        let ids = read().map_err(|cause| self.unreadable("a request", cause))?;
        let mut denied = Vec::new();
        for (id, at) in ids {
            denied.extend(self.request(&id)?.map(|stored| (stored, at)));
        }
        Ok(denied)
    }
}
