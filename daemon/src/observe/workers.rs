//! Threads that read what an agent can make slow: bounded in number and in time.
//!
//! A thread that is stuck in the kernel (a FUSE file that never answers) cannot be ended. It is left behind,
//! keeps its place until it returns, and its agent has few places: others go on. It cannot even be killed, so it has
//! a descriptor table of its own: nothing of a daemon that has died stays open with it.

use std::{
    collections::HashMap,
    io,
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use holdpoint_core::id::AgentId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use super::ObserveError;
use crate::sys::descriptors;

/// Readings of one agent at a time. When all of them are stuck, its other execs are refused.
const PER_AGENT: usize = 4;
/// Readings at a time, of all agents.
const IN_ALL: usize = 64;
/// Findings of one agent that wait for the engine, or are about to be made. Another agent's waits behind so many of it, and
/// not behind all that it has held.
const HANDED_OVER: usize = 32;
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
    turns: Arc<Mutex<HashMap<AgentId, Arc<Semaphore>>>>,
    /// Whose descriptor readings have, beside what they open themselves.
    kept: Arc<dyn AsFd + Send + Sync>,
    /// To the thread that hands over what readings found: that wakes a task, which takes a descriptor that a
    /// reading's thread does not have.
    courier: SyncSender<Errand>,
}

/// Hands over what a reading found, and gives its places back.
type Errand = Box<dyn FnOnce() + Send>;

impl Workers {
    /// Places without readings. Readings can use the descriptor of `kept`, and no other that was opened elsewhere.
    ///
    /// # Errors
    /// When the courier's thread cannot be started.
    pub(crate) fn new(kept: impl AsFd + Send + Sync + 'static) -> io::Result<Self> {
        let (courier, errands) = sync_channel::<Errand>(IN_ALL);
        let run = move || errands.into_iter().for_each(|errand| errand());
        thread::Builder::new().name("courier".to_owned()).stack_size(STACK_BYTES).spawn(run)?;
        let all = Arc::new(Semaphore::new(IN_ALL));
        Ok(Self { all, agents: Arc::default(), turns: Arc::default(), kept: Arc::new(kept), courier })
    }

    /// Runs a reading for an agent in a thread of its own, which has hardly any descriptors: see [`Workers::new`].
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
        let (kept, courier) = (Arc::clone(&self.kept), self.courier.clone());
        let unreadable = move |cause: String| ObserveError::Unreadable { what: what.to_owned(), cause };
        let thread = thread::Builder::new().name("reader".to_owned()).stack_size(STACK_BYTES);
        let spawned = thread.spawn(move || {
            let found = match descriptors::keep_only(kept.as_fd()) {
                // Caught here, since giving the places back is not for this thread to do.
                Ok(()) => catch_unwind(AssertUnwindSafe(reading))
                    .unwrap_or_else(|_| Err(unreadable("the reader failed inside".to_owned()))),
                Err(cause) => Err(unreadable(format!("its reader gets no descriptors: {cause}"))),
            };
            let errand: Errand = Box::new(move || {
                // The receiver may have given up; the places are free only now.
                let _unheard = answer.send(found);
                drop((places, kept));
            });
            // It fails only where the courier has ended, and it ends with the process.
            let _ended = courier.send(errand);
        });
        spawned
            .map_err(|cause| ObserveError::Unreadable { what: what.to_owned(), cause: cause.to_string() })?;
        let too_slow = || ObserveError::TooSlow { what, seconds: READING.as_secs() };
        timeout(READING, answered).await.ok().and_then(Result::ok).ok_or_else(too_slow)?
    }

    /// The agent's turn, to be kept until the engine has taken what the reading found. None where it was waited for too long:
    /// readings that are stuck keep no others from being refused.
    pub(crate) async fn turn(&self, agent: AgentId) -> Option<OwnedSemaphorePermit> {
        let own = of_agent(&self.turns, agent, HANDED_OVER);
        timeout(TURN, own.acquire_owned()).await.ok()?.ok()
    }

    async fn places(&self, agent: AgentId) -> Option<[OwnedSemaphorePermit; 2]> {
        // One's own place first: who waits for it takes none of those that others need.
        let own = of_agent(&self.agents, agent, PER_AGENT).acquire_owned().await.ok()?;
        let shared = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some([own, shared])
    }
}

fn of_agent(
    agents: &Mutex<HashMap<AgentId, Arc<Semaphore>>>,
    agent: AgentId,
    places: usize,
) -> Arc<Semaphore> {
    let mut agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
    // An agent that needs none now needs no entry.
    agents.retain(|_, own| own.available_permits() < places || Arc::strong_count(own) > 1);
    Arc::clone(agents.entry(agent).or_insert_with(|| Arc::new(Semaphore::new(places))))
}

#[cfg(test)]
mod tests {
    use std::{os::fd::AsRawFd as _, sync::mpsc};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_agent_whose_readings_are_stuck_does_not_stop_another() {
        let workers = Workers::new(std::io::stdin()).unwrap();
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

    #[tokio::test]
    async fn a_reading_has_no_descriptor_of_the_daemons_but_the_kept_one() {
        let kept = std::fs::File::open("/dev/null").unwrap();
        let (number, other) = (kept.as_raw_fd(), std::fs::File::open("/dev/null").unwrap());
        let open = |fd: i32| std::fs::exists(format!("/proc/thread-self/fd/{fd}")).unwrap();
        let numbers = [0, 1, 2, number, other.as_raw_fd()];
        assert_eq!(numbers.map(open), [true; 5]);
        let workers = Workers::new(kept).unwrap();
        let seen = workers.run(AgentId(1), "descriptors", move || Ok(numbers.map(open))).await;
        assert!(seen.is_ok_and(|seen| seen == [true, true, true, true, false]));
        assert!(open(other.as_raw_fd()), "it was closed for everybody");
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_has_so_many_turns_and_another_has_its_own() {
        let workers = Workers::new(std::io::stdin()).unwrap();
        let mut turns = Vec::new();
        for _ in 0..HANDED_OVER {
            turns.push(workers.turn(AgentId(1)).await.unwrap());
        }
        assert!(workers.turn(AgentId(1)).await.is_none(), "one more");
        assert!(workers.turn(AgentId(2)).await.is_some());
        turns.pop();
        assert!(workers.turn(AgentId(1)).await.is_some());
    }

    #[tokio::test]
    async fn a_reading_that_fails_inside_says_so_and_gives_its_places_back() {
        let workers = Workers::new(std::io::stdin()).unwrap();
        for _ in 0..=PER_AGENT {
            let failed = workers.run::<()>(AgentId(1), "a trap", || panic!("on purpose")).await;
            assert!(matches!(failed, Err(ObserveError::Unreadable { .. })));
        }
    }
}
