//! As whom a thread acts: of `status`, and of `uid_map`.

use crate::component::Identity;

/// Adds the users and groups of a thread, from its `status`, and says whether it has capabilities in its user namespace.
/// None where the text is no such file.
pub fn add_users_and_groups(text: &str, into: &mut Identity) -> Option<bool> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let numbers = |name: &str| {
        field(name)
            .map(|value| value.split_ascii_whitespace().filter_map(|number| number.parse::<u32>().ok()))
    };
    let (users, groups, others) = (numbers("Uid")?, numbers("Gid")?, numbers("Groups")?);
    let capabilities = u64::from_str_radix(field("CapPrm")?.trim(), 16).ok()?;
    let users: Vec<u32> = users.collect();
    users.iter().for_each(|user| into.add_user(*user));
    // What root's groups may do, root may do.
    if users.iter().any(|user| *user != 0) {
        groups.chain(others).for_each(|group| into.add_group(group));
    }
    Some(capabilities != 0)
}

/// The group and the supplementary groups that a thread acts as, from its `status`. None where the text is no such file.
#[must_use]
pub fn groups(text: &str) -> Option<Vec<u32>> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let numbers =
        |value: &str| value.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>();
    // The second is the effective one.
    let mut groups = vec![*numbers(field("Gid")?).ok()?.get(1)?];
    groups.extend(numbers(field("Groups")?).ok()?);
    groups.sort_unstable();
    groups.dedup();
    Some(groups)
}

/// Adds the users that a user namespace maps, from `uid_map` as a process of the initial one reads it: who has
/// capabilities there has power over their files (`capable_wrt_inode_uidgid`,
/// <https://github.com/torvalds/linux/blob/v6.1/kernel/capability.c>). The initial namespace maps each user to itself; who
/// has capabilities there is not contained.
pub fn add_mapped_users(text: &str, into: &mut Identity) {
    let maps = text.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    maps.filter(|map| *map != (0, 0, u32::MAX)).for_each(|(_, first, count)| into.add_users(first, count));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_users_and_groups_of_a_thread_are_found() {
        let text = "Name:\tsh\nUid:\t1000\t1001\t0\t1002\nGid:\t5\t5\t6\t7\nGroups:\t27 900 \nCapPrm:\t0000000000000000\n";
        let (mut found, mut expected) = (Identity::default(), Identity::default());
        assert_eq!(add_users_and_groups(text, &mut found), Some(false));
        [1000, 1001, 1002].into_iter().for_each(|user| expected.add_user(user));
        [5, 6, 7, 27, 900].into_iter().for_each(|group| expected.add_group(group));
        assert_eq!(found, expected);
        assert_eq!(add_users_and_groups("Uid:\t0\n", &mut found), None);
    }

    #[test]
    fn the_groups_that_a_thread_acts_as_are_its_effective_one_and_the_others() {
        assert_eq!(groups("Gid:\t5\t6\t7\t7\nGroups:\t27 900 6 \n"), Some(vec![6, 27, 900]));
        assert_eq!((groups("Gid:\t5\nGroups:\t\n"), groups("Gid:\tx y\nGroups:\n")), (None, None));
    }

    #[test]
    fn of_root_nothing_is_added() {
        let text = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 4\nCapPrm:\t000001ffffffffff\n";
        let mut found = Identity::default();
        assert_eq!(add_users_and_groups(text, &mut found), Some(true));
        assert_eq!(found, Identity::default());
    }

    #[test]
    fn a_user_namespace_gives_the_users_that_it_maps_unless_it_is_the_initial_one() {
        let (mut found, mut expected) = (Identity::default(), Identity::default());
        add_mapped_users("         0          0 4294967295\n", &mut found);
        assert_eq!(found, expected);
        add_mapped_users("         0       1000          1\n         1     100000      65536\n", &mut found);
        expected.add_user(1000);
        expected.add_users(100_000, 65_536);
        assert_eq!(found, expected);
    }
}
