//! Threads that read what an agent can make slow: bounded in number and in time.
//!
//! A thread that is stuck in the kernel (a FUSE file that never answers) cannot be ended. It is left behind,
//! keeps its place until it returns, and its agent has few places: others go on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use holdpoint_core::id::AgentId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use super::ObserveError;

/// Readings of one agent at a time. When all of them are stuck, its other execs are refused.
const PER_AGENT: usize = 4;
/// Readings at a time, of all agents.
const IN_ALL: usize = 64;
/// How long one reading may take: enough to hash a file of a gigabyte.
const READING: Duration = Duration::from_secs(20);
/// How long an exec waits for its turn: a thousand held at once are read in this time.
const TURN: Duration = Duration::from_secs(120);
/// Stack of a worker. It reads into buffers on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// The places that readings take.
#[derive(Clone)]
pub(crate) struct Workers {
    all: Arc<Semaphore>,
    agents: Arc<Mutex<HashMap<AgentId, Arc<Semaphore>>>>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(IN_ALL)), agents: Arc::default() }
    }

    /// Runs a reading for an agent in a thread of its own.
    ///
    /// # Errors
    /// What the reading says; `TooSlow` and `Busy` from here.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        agent: AgentId,
        what: &'static str,
        reading: impl FnOnce() -> Result<T, ObserveError> + Send + 'static,
    ) -> Result<T, ObserveError> {
        let places = timeout(TURN, self.places(agent)).await;
        let places = places.ok().flatten().ok_or(ObserveError::Busy(PER_AGENT))?;
        let (answer, answered) = oneshot::channel();
        let thread =
            thread::Builder::new().name("reader".to_owned()).stack_size(STACK_BYTES).spawn(move || {
                // The receiver may have given up; the places are free only now.
                let _unheard = answer.send(reading());
                drop(places);
            });
        thread
            .map_err(|cause| ObserveError::Unreadable { what: what.to_owned(), cause: cause.to_string() })?;
        let too_slow = || ObserveError::TooSlow { what, seconds: READING.as_secs() };
        timeout(READING, answered).await.ok().and_then(Result::ok).ok_or_else(too_slow)?
    }

    async fn places(&self, agent: AgentId) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = {
            let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
            // An agent that reads nothing now needs no entry.
            agents
                .retain(|_, places| places.available_permits() < PER_AGENT || Arc::strong_count(places) > 1);
            Arc::clone(agents.entry(agent).or_insert_with(|| Arc::new(Semaphore::new(PER_AGENT))))
        };
        // One's own place first: who waits for it takes none of those that others need.
        let own = own.acquire_owned().await.ok()?;
        let shared = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some([own, shared])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_agent_whose_readings_are_stuck_does_not_stop_another() {
        let workers = Workers::new();
        let (release, stuck) = mpsc::channel::<()>();
        let stuck = Arc::new(Mutex::new(stuck));
        let reading = |stuck: Arc<Mutex<mpsc::Receiver<()>>>| {
            move || {
                let _released = stuck.lock().unwrap().recv();
                Ok(())
            }
        };
        let hang = |_| workers.run(AgentId(1), "a pipe", reading(Arc::clone(&stuck)));
        let ends = futures_util::future::join_all((0..PER_AGENT).map(hang)).await;
        assert!(ends.iter().all(|end| matches!(end, Err(ObserveError::TooSlow { .. }))));
        assert!(matches!(workers.run(AgentId(1), "a pipe", || Ok(())).await, Err(ObserveError::Busy(_))));
        // From here on a real thread has to answer, and a paused clock would run ahead of it.
        tokio::time::resume();
        assert!(workers.run(AgentId(2), "a pipe", || Ok(7)).await.is_ok_and(|seven| seven == 7));
        drop(release);
    }
}
