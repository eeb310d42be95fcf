//! The names of users, which the host's own services know.
//!
//! Not looked up by the readers: a name service may keep a descriptor for the next look-up of whichever thread, and a
//! reader has a table of its own. Nothing of the agent's is asked for here.

use std::time::Duration;

use holdpoint_core::policy::Account;
use nix::{
    errno::Errno,
    unistd::{Gid, Group, Uid, User},
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{ObserveError, Observed, context::Accounts};

/// How long a directory server may take. Without its answer a request shows the numbers alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found, with the names of the users in it, as far as the host knows them and says so in time. Where it does not
/// say, clauses about users and groups are in doubt: a rule that denies by name is not to fail with the directory server.
pub(crate) async fn with_names(found: Result<Observed, ObserveError>) -> Result<Observed, ObserveError> {
    let mut observed = found?;
    let user = &observed.facts.user;
    let (uid, login, owner) = (user.uid, user.login_uid, observed.facts.executable.owner);
    let euid = user.euid;
    let groups = observed.surroundings.groups.clone();
    let look = spawn_blocking(move || {
        let groups = groups.and_then(|groups| groups.into_iter().map(group).collect::<Option<Vec<_>>>());
        let real = account(uid);
        let user = real.as_ref().and_then(|account| account.name.clone());
        let effective = (euid != uid).then(|| account(euid));
        let users: Option<Vec<Account>> = std::iter::once(real).chain(effective).collect();
        (users, groups, user, login.and_then(name), name(owner))
    });
    if let Ok(Ok((users, groups, user, login, owner))) = timeout(PATIENCE, look).await {
        observed.surroundings.accounts = Some(Accounts { users, groups });
        observed.facts.user.name = user;
        observed.facts.user.login_name = login;
        observed.facts.executable.owner_name = owner;
    }
    Ok(observed)
}

/// None where the host does not say whether it knows the group.
fn group(gid: u32) -> Option<Account> {
    let name = known(Group::from_gid(Gid::from_raw(gid)))?.map(|group| group.name);
    Some(Account { id: gid, name })
}

/// None where the host does not say whether it knows the user.
fn account(uid: u32) -> Option<Account> {
    let name = known(User::from_uid(Uid::from_raw(uid)))?.map(|user| user.name);
    Some(Account { id: uid, name })
}

fn name(uid: u32) -> Option<String> {
    account(uid)?.name
}

/// Some name services say by an error that there is nobody (getpwuid_r(3)).
fn known<T>(answer: nix::Result<Option<T>>) -> Option<Option<T>> {
    match answer {
        Ok(found) => Some(found),
        Err(Errno::ENOENT | Errno::ESRCH) => Some(None),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_known_is_told_apart_from_who_could_not_be_looked_up() {
        assert_eq!(account(0).and_then(|account| account.name).as_deref(), Some("root"));
        assert_eq!(account(u32::MAX - 7), Some(Account { id: u32::MAX - 7, name: None }));
        assert_eq!(known::<()>(Err(Errno::ESRCH)), Some(None));
        assert_eq!(known::<()>(Err(Errno::EIO)), None);
    }
}
