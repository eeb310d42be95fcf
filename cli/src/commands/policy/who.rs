//! Users and groups, as this host knows them.

use std::ffi::CString;

use holdpoint_core::policy::Account;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getgrouplist, getgroups, getuid};

/// Who is given by name or number, or else calls this.
pub(super) fn users(given: Option<&str>) -> Vec<Account> {
    if let Some(given) = given {
        return vec![account(
            given,
            |name| User::from_name(name).ok()?.map(|user| user.uid.as_raw()),
            user_name,
        )];
    }
    let mut uids = vec![getuid().as_raw(), geteuid().as_raw()];
    uids.dedup();
    uids.into_iter().map(|id| Account { id, name: user_name(id) }).collect()
}

/// The groups that are given, or else those of the user. None where this host does not know that one.
pub(super) fn groups(given: &[String], user: Option<&str>, users: &[Account]) -> Option<Vec<Account>> {
    if !given.is_empty() {
        let by_name = |name: &str| Group::from_name(name).ok()?.map(|group| group.gid.as_raw());
        return Some(given.iter().map(|given| account(given, by_name, group_name)).collect());
    }
    let mut gids: Vec<Gid> = match (user, users) {
        (Some(_), [account]) => {
            let user = User::from_uid(Uid::from_raw(account.id)).ok()??;
            getgrouplist(&CString::new(user.name).ok()?, user.gid).ok()?
        }
        _ => [vec![getgid(), getegid()], getgroups().ok()?].concat(),
    };
    gids.sort_unstable_by_key(|gid| gid.as_raw());
    gids.dedup();
    Some(gids.into_iter().map(|gid| Account { id: gid.as_raw(), name: group_name(gid.as_raw()) }).collect())
}

/// One that the host does not know has the name alone, and a number that nobody has.
fn account(
    given: &str,
    by_name: impl FnOnce(&str) -> Option<u32>,
    name: impl FnOnce(u32) -> Option<String>,
) -> Account {
    if let Ok(id) = given.parse() {
        return Account { id, name: name(id) };
    }
    Account { id: by_name(given).unwrap_or(u32::MAX), name: Some(given.to_owned()) }
}

fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

fn group_name(gid: u32) -> Option<String> {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_mean_the_same_and_the_unknown_stays_a_name() {
        let root = Account { id: 0, name: Some("root".to_owned()) };
        assert_eq!(users(Some("root")), std::slice::from_ref(&root));
        assert_eq!(users(Some("0")), std::slice::from_ref(&root));
        let nobody = users(Some("no-such-user"));
        assert_eq!(nobody, [Account { id: u32::MAX, name: Some("no-such-user".to_owned()) }]);
        assert_eq!(groups(&[], Some("no-such-user"), &nobody), None);
        assert!(groups(&[], Some("root"), &users(Some("root"))).unwrap().contains(&root));
        assert_eq!(groups(&["root".to_owned()], None, &[]), Some(vec![root]));
        assert_eq!(users(None)[0].id, getuid().as_raw());
        assert!(groups(&[], None, &users(None)).unwrap().iter().any(|group| group.id == getgid().as_raw()));
    }
}
