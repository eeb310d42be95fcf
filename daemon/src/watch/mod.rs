//! Watches the directories in which a change can make another file a listed one, and has the files of the rules in force
//! looked for again when it is quiet there.
//!
//! A name closes the window in the kernel by itself; this catches up with what only an inode or a glob tells. The files
//! with the rules are not watched: to put other rules in force is an explicit act.
//!
//! An agent can make changes without end. So events are taken in looks with pauses between, a listing comes at the
//! latest after [`LATEST`], and after each there is a pause in which the kernel keeps the events. It has room for a
//! bounded number of them; that it had too little means: list again.
#![forbid(unsafe_code)]

mod lister;
mod queue;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tracing::info;

use crate::engine::EngineHandle;
use lister::{Listed, Lister};
use queue::Queue;

/// Between two looks at the events.
const LOOK: Duration = Duration::from_millis(100);
/// So long there must be no change before files are looked for: an upgrade makes many.
const QUIET: Duration = Duration::from_millis(300);
/// So long after the first change they are looked for in any case.
const LATEST: Duration = Duration::from_secs(2);
/// From one listing to the next at least. A change in between is found that much later.
const PAUSE: Duration = Duration::from_secs(4);
/// So long after a listing that had to leave something out there is another: what did not answer may do so now.
const AGAIN: Duration = Duration::from_secs(30);
/// The part of one processor that listings may take: one in so many.
const SHARE: u32 = 10;

/// Goes on until the engine ends.
pub(crate) async fn run(engine: EngineHandle) {
    let queue = match Queue::open() {
        Ok(queue) => Arc::new(queue),
        Err(cause) => {
            let problem =
                format!("cannot watch for files that change: {cause}; 'holdpoint reload' finds them");
            engine.found(None, Some(problem)).await;
            return;
        }
    };
    let mut in_force = engine.in_force();
    let mut lister = Lister::new(Arc::clone(&queue));
    loop {
        let begun = Instant::now();
        let rules = in_force.borrow_and_update().clone();
        let Listed { found, problem, again } = lister.list(&engine, rules).await;
        engine.found(found, problem).await;
        sleep(PAUSE.max(begun.elapsed() * SHARE)).await;
        tokio::select! {
            changed = in_force.changed() => if changed.is_err() {
                info!("the engine has ended; files are not watched any more");
                return;
            },
            () = change(&queue, &lister) => settle(&queue, &lister).await,
            () = sleep(AGAIN), if again => {}
        }
    }
}

/// Waits for a change that can matter.
async fn change(queue: &Queue, lister: &Lister) {
    loop {
        queue.readable().await;
        if queue.take(lister.watched()) {
            return;
        }
        sleep(LOOK).await;
    }
}

/// Waits until it is quiet, but no longer than [`LATEST`].
async fn settle(queue: &Queue, lister: &Lister) {
    let latest = Instant::now() + LATEST;
    loop {
        sleep(QUIET).await;
        if !queue.take(lister.watched()) || Instant::now() >= latest {
            return;
        }
    }
}
