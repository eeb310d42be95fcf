//! File systems that do not answer: a look into one waits in the kernel for whoever serves it, and cannot be ended.
//!
//! So files are looked for on a thread that can be left behind. Before each step it says where it goes. Where it comes no
//! further, the place is noted as silent, and another thread goes around it. When the one that was left behind gets its
//! answer after all, or an error since the file system was unmounted, the place is tried again.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use crate::sys::descriptors;

/// How long one step may take. A disk that has to wake up takes less. It is noticed before twice of it is over.
const PATIENCE: Duration = Duration::from_secs(5);
/// Threads that may be left behind at a time. Beyond it nothing is looked for any more, and it is said why.
const MAX_SILENT: usize = 32;
/// Silent places in one directory, before it is silent as a whole.
const MAX_SIBLINGS: usize = 3;

/// The places of this host that are silent now.
static OF_THIS_HOST: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Where a thread is that looks for files.
#[derive(Default)]
pub(super) struct Walk(Mutex<Walker>);

#[derive(Default)]
struct Walker {
    at: PathBuf,
    steps: u64,
    /// Silent places that it went around.
    around: BTreeSet<PathBuf>,
    /// Where it was left behind.
    left: Option<PathBuf>,
}

impl Walk {
    /// Goes to a file or directory. False where it is silent, or lies below what is: it may not be looked at.
    pub(super) fn goes_to(&self, path: &Path) -> bool {
        let silent = lock(&OF_THIS_HOST).iter().find(|place| path.starts_with(place)).cloned();
        let mut walker = lock(&self.0);
        if walker.left.is_some() {
            // Nobody waits for the rest, and the next place may be as silent.
            return false;
        }
        walker.steps += 1;
        match silent {
            Some(place) => {
                walker.around.insert(place);
                false
            }
            None => {
                walker.at = path.to_owned();
                true
            }
        }
    }

    fn steps(&self) -> u64 {
        lock(&self.0).steps
    }

    fn leave_behind(&self) -> PathBuf {
        let mut walker = lock(&self.0);
        let mut silent = lock(&OF_THIS_HOST);
        let siblings = silent.iter().filter(|place| place.parent() == walker.at.parent()).count();
        let place = match walker.at.parent() {
            // Who serves some files in it and is silent about them would be asked about each in turn.
            Some(directory) if siblings >= MAX_SIBLINGS => directory.to_owned(),
            _ => walker.at.clone(),
        };
        walker.left = Some(place.clone());
        silent.insert(place.clone());
        place
    }
}

/// The answer has come, however late.
impl Drop for Walk {
    fn drop(&mut self) {
        if let Some(place) = &lock(&self.0).left {
            lock(&OF_THIS_HOST).remove(place);
        }
    }
}

/// Does what looks for files, and goes around what does not answer. With the result come the places that were left out.
///
/// # Errors
/// When there is no thread, or too many are left behind.
pub(super) fn around<T: Send + 'static>(
    work: impl Fn(&Walk) -> T + Clone + Send + 'static,
) -> io::Result<(T, Vec<PathBuf>)> {
    around_within(PATIENCE, work)
}

fn around_within<T: Send + 'static>(
    patience: Duration,
    work: impl Fn(&Walk) -> T + Clone + Send + 'static,
) -> io::Result<(T, Vec<PathBuf>)> {
    loop {
        let silent = lock(&OF_THIS_HOST).len();
        if silent >= MAX_SILENT {
            let why = format!("{silent} places in file systems do not answer, and {MAX_SILENT} is the limit");
            return Err(io::Error::other(why));
        }
        let walk = Arc::new(Walk::default());
        let (sender, result) = mpsc::sync_channel(1);
        let (own, work) = (Arc::clone(&walk), work.clone());
        thread::Builder::new().name("looker".to_owned()).spawn(move || {
            // What a file system keeps for ever must not keep the daemon's sockets and database open with it.
            let done = descriptors::keep_none().map(|()| work(&own));
            // Who asked may have gone on without it.
            let _left_behind = sender.send(done);
        })?;
        let mut steps = 0;
        loop {
            match result.recv_timeout(patience) {
                Ok(done) => {
                    let around = lock(&walk.0).around.iter().cloned().collect();
                    return Ok((done?, around));
                }
                Err(RecvTimeoutError::Timeout) if walk.steps() != steps => steps = walk.steps(),
                Err(RecvTimeoutError::Timeout) => {
                    let place = walk.leave_behind();
                    tracing::warn!(place = %place.display(), "a file system does not answer; this place is left out");
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that looks for files failed inside"));
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits at one place until it is told to go on.
    fn stuck_at(
        place: &Path,
        answers: Arc<Mutex<mpsc::Receiver<()>>>,
    ) -> impl Fn(&Walk) -> Vec<u32> + Clone + use<> {
        let place = place.to_owned();
        move |walk| {
            let mut seen = Vec::new();
            for (number, directory) in [(1, Path::new("/fine")), (2, &place), (3, &place.join("below"))] {
                if walk.goes_to(directory) {
                    if directory == place {
                        lock(&answers).recv().unwrap();
                    }
                    seen.push(number);
                }
            }
            seen
        }
    }

    #[test]
    fn what_does_not_answer_is_left_out_and_tried_again_once_it_did() {
        let place = PathBuf::from("/silent/of/this/test");
        let (answer, answers) = mpsc::channel();
        let work = stuck_at(&place, Arc::new(Mutex::new(answers)));
        let patience = Duration::from_millis(50);
        assert_eq!(around_within(patience, work.clone()).unwrap(), (vec![1], vec![place.clone()]));
        // The second time nobody waits for it.
        assert_eq!(
            around_within(Duration::from_secs(60), work.clone()).unwrap(),
            (vec![1], vec![place.clone()])
        );
        answer.send(()).unwrap();
        while lock(&OF_THIS_HOST).contains(&place) {
            thread::yield_now();
        }
        answer.send(()).unwrap();
        assert_eq!(around_within(Duration::from_secs(60), work).unwrap(), (vec![1, 2, 3], vec![]));
    }
}
