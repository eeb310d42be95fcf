//! Waiting for events, never for time.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that is expected to happen. The guest is emulated, and others use the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition holds that nothing tells of, such as the state of a process in `/proc`.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        // A look, not a wait for time: the loop ends by the condition alone.
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Something that one thread changes and others wait for.
pub(crate) struct Shared<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new((Mutex::new(value), Condvar::new())))
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Waits until the look finds something; none when the patience ends.
    pub(crate) fn wait<R>(&self, patience: Duration, mut look: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        let begun = Instant::now();
        let mut value = self.lock();
        loop {
            if let Some(found) = look(&mut value) {
                return Some(found);
            }
            let left = patience.checked_sub(begun.elapsed())?;
            value = self.0.1.wait_timeout(value, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // A test that panicked in a look has changed nothing.
        self.0.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
