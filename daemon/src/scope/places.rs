//! How many scopes there may be: anybody may ask for one, and systemd keeps a unit for each.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Scopes of all agents. One more is refused, until another ends.
const IN_ALL: usize = 256;
/// Scopes of one user, as far as this daemon has started them.
const PER_USER: usize = 32;
/// Scopes that are being started at a time, of all users. One more is refused: it can be tried again at once.
const STARTING: usize = 16;
/// Of those, one user's.
const STARTING_PER_USER: usize = 4;

/// Where the cgroups of scopes lie.
const SLICE: &str = "/sys/fs/cgroup/system.slice";

/// The scopes that there are. Clones are the same.
#[derive(Clone)]
pub(crate) struct Scopes {
    slice: PathBuf,
    known: Arc<Mutex<Vec<Scope>>>,
}

struct Scope {
    unit: String,
    uid: u32,
    starting: bool,
}

/// The place of a scope that is being started. Afterwards it counts as long as its cgroup is there.
pub(super) struct Place {
    scopes: Scopes,
    unit: String,
}

impl Default for Scopes {
    fn default() -> Self {
        Self::at(Path::new(SLICE))
    }
}

impl Scopes {
    fn at(slice: &Path) -> Self {
        Self { slice: slice.to_owned(), known: Arc::default() }
    }

    pub(super) fn take(&self, uid: u32, unit: &str) -> Result<Place, String> {
        let mut known = self.lock();
        known.retain(|scope| scope.starting || self.slice.join(&scope.unit).exists());
        let starting = |scope: &&Scope| scope.starting;
        let own = |scope: &&Scope| scope.uid == uid;
        if known.iter().filter(starting).count() >= STARTING
            || known.iter().filter(starting).filter(own).count() >= STARTING_PER_USER
        {
            return Err("too many are being started at this moment; try again".to_owned());
        }
        if known.iter().filter(own).count() >= PER_USER {
            return Err(format!("uid {uid} has {PER_USER} already, the most for one user; end some"));
        }
        // Also those that a daemon before this one has started.
        let there = self.count() + known.iter().filter(starting).count();
        if there >= IN_ALL {
            return Err(format!("there are {there} already, and {IN_ALL} is the limit; end some"));
        }
        known.push(Scope { unit: unit.to_owned(), uid, starting: true });
        Ok(Place { scopes: self.clone(), unit: unit.to_owned() })
    }

    fn count(&self) -> usize {
        let entries = fs::read_dir(&self.slice).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"holdpoint-agent-")).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Scope>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.scopes.lock();
        for scope in known.iter_mut().filter(|scope| scope.unit == self.unit) {
            scope.starting = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_so_many_and_others_have_theirs() {
        let slice = tempfile::tempdir().unwrap();
        let scopes = Scopes::at(slice.path());
        for number in 0..PER_USER {
            let unit = format!("holdpoint-agent-a-{number}.scope");
            let place = scopes.take(1000, &unit).ok().unwrap();
            fs::create_dir(slice.path().join(unit)).unwrap();
            drop(place);
        }
        let more = |uid: u32| scopes.take(uid, "holdpoint-agent-a-999.scope").map(drop);
        assert!(more(1000).unwrap_err().contains("uid 1000 has 32 already"));
        assert_eq!(more(1001), Ok(()));
        fs::remove_dir(slice.path().join("holdpoint-agent-a-7.scope")).unwrap();
        assert_eq!(more(1000), Ok(()), "one has ended");
    }

    #[test]
    fn all_have_so_many_and_what_a_daemon_before_has_started_counts() {
        let slice = tempfile::tempdir().unwrap();
        for number in 0..IN_ALL {
            fs::create_dir(slice.path().join(format!("holdpoint-agent-b-{number}.scope"))).unwrap();
        }
        fs::create_dir(slice.path().join("cron.service")).unwrap();
        let refused = Scopes::at(slice.path()).take(0, "holdpoint-agent-a-1.scope").map(drop);
        assert!(refused.unwrap_err().contains("256 is the limit"));
    }

    #[test]
    fn so_many_are_started_at_a_time() {
        let slice = tempfile::tempdir().unwrap();
        let scopes = Scopes::at(slice.path());
        let take = |uid: u32, number: usize| scopes.take(uid, &format!("holdpoint-agent-a-{number}.scope"));
        let mut places: Vec<Place> = (0..STARTING_PER_USER).map(|n| take(1000, n).ok().unwrap()).collect();
        assert!(take(1000, 99).is_err());
        places.extend(
            (10..10 + STARTING - STARTING_PER_USER)
                .map(|n| take(2000 + u32::try_from(n).unwrap(), n).ok().unwrap()),
        );
        assert!(take(3000, 99).is_err());
        places.clear();
        assert!(take(1000, 99).is_ok());
    }
}
