//! Looks for files on a thread that an agent's file system may keep: nobody waits for it but the watcher.

use std::{sync::Arc, thread, time::Duration};

use tokio::time::{Instant, sleep};

use super::queue::{Queue, Watched};
use crate::{
    engine::{EngineHandle, InForce},
    rules::{self, Found},
    sys::descriptors,
};

/// After so long `status` says that a listing does not end.
const LONG: Duration = Duration::from_secs(60);
/// How often it is looked whether the thread has ended. It has no descriptor to wake anybody by.
const LOOK: Duration = Duration::from_millis(20);
/// Listings in a row while directories come that were not watched before. What is made in one between its listing and
/// its watch is found by the next.
const ROUNDS: usize = 3;

/// What came of a listing.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) found: Option<Box<Found>>,
    pub(super) problem: Option<String>,
    /// Whether to look again soon, though nothing changes: what was left out may answer.
    pub(super) again: bool,
}

/// Lists, one at a time.
pub(super) struct Lister {
    queue: Arc<Queue>,
    watched: Watched,
}

impl Lister {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, watched: Watched::default() }
    }

    /// The directories that are watched.
    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Looks for the files of these rules and of the declared executables, and watches where others can come.
    pub(super) async fn list(&mut self, engine: &EngineHandle, rules: InForce) -> Listed {
        let failed = |cause: String| Listed {
            problem: Some(format!("cannot list files anew: {cause}")),
            ..Listed::default()
        };
        let (queue, watched) = (Arc::clone(&self.queue), std::mem::take(&mut self.watched));
        let thread = thread::Builder::new().name("lister".to_owned());
        let thread = match thread.spawn(move || work(&queue, watched, &rules)) {
            Ok(thread) => thread,
            Err(cause) => return failed(format!("no thread: {cause}")),
        };
        let begun = Instant::now();
        let mut told = false;
        while !thread.is_finished() {
            if !told && begun.elapsed() >= LONG {
                told = true;
                let problem = format!(
                    "looking for files that changed takes more than {LONG:?}: a file system does not answer; \
                     new files are held by their names alone"
                );
                engine.found(None, Some(problem)).await;
            }
            sleep(LOOK).await;
        }
        // It has ended, so this does not wait.
        match thread.join() {
            Ok((watched, listed)) => {
                self.watched = watched;
                listed
            }
            Err(_) => failed("the lister failed inside".to_owned()),
        }
    }
}

fn work(queue: &Queue, mut watched: Watched, rules: &InForce) -> (Watched, Listed) {
    // What a file system keeps for ever must not keep the daemon's sockets and database open with it.
    if let Err(cause) = descriptors::keep_only(std::os::fd::AsFd::as_fd(queue)) {
        let problem = Some(format!("cannot list files anew: no descriptors of its own: {cause}"));
        return (watched, Listed { problem, ..Listed::default() });
    }
    let mut listed = Listed::default();
    for _ in 0..ROUNDS {
        match rules::find_again(&rules.policy, &rules.config.agents) {
            Ok(found) => {
                let rewatched = queue.watch(&mut watched, &found.directories);
                let unanswered = rules::unanswered(&found.silent);
                let again = unanswered.is_some();
                let problem = unanswered.or(rewatched.problem);
                listed = Listed { found: Some(Box::new(found)), problem, again };
                if !rewatched.new {
                    break;
                }
            }
            Err(cause) => {
                listed.problem =
                    Some(format!("cannot list files anew, the old lists stay in force: {cause}"));
                break;
            }
        }
    }
    (watched, listed)
}
