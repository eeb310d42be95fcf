//! The names of users, which the host's own services know.
//!
//! Not looked up by the readers: a name service may keep a descriptor for the next look-up of whichever thread, and a
//! reader has a table of its own. Nothing of the agent's is asked for here.

use std::time::Duration;

use nix::unistd::{Uid, User};
use tokio::{task::spawn_blocking, time::timeout};

use super::{ObserveError, Observed};

/// How long a directory server may take. Without its answer a request shows the numbers alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found, with the names of the users in it, as far as the host knows them and says so in time.
pub(crate) async fn with_names(found: Result<Observed, ObserveError>) -> Result<Observed, ObserveError> {
    let mut observed = found?;
    let user = &observed.facts.user;
    let (uid, login, owner) = (user.uid, user.login_uid, observed.facts.executable.owner);
    let look = spawn_blocking(move || (name(uid), login.and_then(name), name(owner)));
    if let Ok(Ok((user, login, owner))) = timeout(PATIENCE, look).await {
        observed.facts.user.name = user;
        observed.facts.user.login_name = login;
        observed.facts.executable.owner_name = owner;
    }
    Ok(observed)
}

fn name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}
