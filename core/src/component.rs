//! Whether an agent can have a component of a path lead elsewhere.
//!
//! The interpreter of a script opens its path once more, after the check. Whoever can exchange one component of the path
//! until then has another script run in the name of the one that was approved.

use std::{collections::BTreeSet, fmt};

/// What lies at a component of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, in which the next component lies.
    Directory,
    /// A symbolic link. Its mode says nothing.
    Link,
    /// Anything else: the file at the end.
    File,
}

/// A component of a path, as `stat` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// The user that owns it.
    pub owner: u32,
    /// Its group.
    pub group: u32,
    /// Its mode; bits of the file's type are not looked at.
    pub mode: u32,
    /// Whether it has a POSIX access list. Then the mode's bits of the group are the most that any user or group that
    /// is named there may do (acl(5)).
    pub has_list: bool,
}

/// Users and groups as which an agent's processes act.
///
/// Root on the host is nobody that this could be about: it can change every component there is, and
/// [`Identity::add_user`] leaves it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// First and last of each range.
    users: BTreeSet<(u32, u32)>,
    groups: BTreeSet<u32>,
    /// Not all groups could be found out: any may be one of the agent's.
    pub any_group: bool,
}

/// By what the agent can change a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The agent owns it, and who owns it sets its mode.
    Owner(u32),
    /// Its group may write to it, and the agent is in that.
    Group(u32),
    /// Its access list may let the agent write.
    List,
    /// Everybody may write to it.
    Others,
}

const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

impl Identity {
    /// Adds a user. Root is left out.
    pub fn add_user(&mut self, user: u32) {
        self.add_users(user, 1);
    }

    /// Adds so many users, from one on. Root is left out.
    pub fn add_users(&mut self, first: u32, count: u32) {
        let last = first.saturating_add(count.saturating_sub(1));
        let first = first.max(1);
        if count > 0 && first <= last {
            self.users.insert((first, last));
        }
    }

    /// Adds a group.
    pub fn add_group(&mut self, group: u32) {
        self.groups.insert(group);
    }

    fn is_user(&self, user: u32) -> bool {
        self.users.iter().any(|(first, last)| (*first..=*last).contains(&user))
    }

    fn is_in(&self, group: u32) -> bool {
        self.any_group || self.groups.contains(&group)
    }
}

impl Component {
    /// Whether root alone can change it, whoever the agent is.
    #[must_use]
    pub fn is_roots_alone(&self) -> bool {
        self.owner == 0 && self.writers() == 0
    }

    /// By what an agent can change it. None where it cannot.
    ///
    /// Each component is looked at for itself. In a sticky directory whoever may write can rename and remove what is his
    /// own, so that the directory is in order and the component in it is not where it is the agent's. Of a link of the
    /// agent's own in a directory of root's nothing can be changed; it is the agent's all the same, since the rule is
    /// easier to keep in mind so.
    #[must_use]
    pub fn can_be_changed_by(&self, agent: &Identity) -> Option<Means> {
        if agent.is_user(self.owner) {
            return Some(Means::Owner(self.owner));
        }
        let writers = self.writers();
        if writers & OTHERS_WRITE != 0 {
            return Some(Means::Others);
        }
        if writers & GROUP_WRITES == 0 {
            return None;
        }
        if agent.is_in(self.group) {
            return Some(Means::Group(self.group));
        }
        // Whom the list names is not looked at: the mode's bits say that somebody may write.
        self.has_list.then_some(Means::List)
    }

    /// The bits of the mode by which others than the owner can put something else in the place of what is there.
    fn writers(&self) -> u32 {
        let is_kept = match self.kind {
            Kind::Directory => self.mode & STICKY != 0,
            Kind::Link => true,
            Kind::File => false,
        };
        if is_kept { 0 } else { self.mode & (GROUP_WRITES | OTHERS_WRITE) }
    }
}

impl fmt::Display for Means {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(user) => write!(into, "uid {user}, which it runs as, owns it"),
            Self::Group(group) => write!(into, "gid {group}, which it is in, may write to it"),
            Self::List => write!(into, "its access list lets others than its owner write to it"),
            Self::Others => write!(into, "everybody may write to it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agent() -> Identity {
        let mut agent = Identity::default();
        agent.add_user(1000);
        agent.add_group(1000);
        agent.add_group(27);
        agent
    }

    fn component(kind: Kind, owner: u32, group: u32, mode: u32) -> Component {
        Component { kind, owner, group, mode, has_list: false }
    }

    #[test]
    fn what_the_agent_owns_or_may_write_to_can_be_changed() {
        let means = |component: Component| component.can_be_changed_by(&agent());
        for kind in [Kind::Directory, Kind::File] {
            assert_eq!(means(component(kind, 0, 0, 0o755)), None);
            assert_eq!(means(component(kind, 1000, 0, 0o555)), Some(Means::Owner(1000)));
            assert_eq!(means(component(kind, 0, 27, 0o775)), Some(Means::Group(27)));
            assert_eq!(means(component(kind, 0, 50, 0o775)), None);
            assert_eq!(means(component(kind, 0, 50, 0o757)), Some(Means::Others));
            assert_eq!(means(component(kind, 1002, 1002, 0o755)), None, "another user's");
        }
    }

    #[test]
    fn a_sticky_directory_keeps_what_is_not_the_agents() {
        let means = |component: Component| component.can_be_changed_by(&agent());
        assert_eq!(means(component(Kind::Directory, 0, 0, 0o41777)), None);
        assert_eq!(means(component(Kind::Directory, 1000, 0, 0o41777)), Some(Means::Owner(1000)));
        assert_eq!(means(component(Kind::File, 0, 0, 0o101_777)), Some(Means::Others), "no directory");
    }

    #[test]
    fn of_a_link_the_owner_counts_and_not_the_mode() {
        let means = |component: Component| component.can_be_changed_by(&agent());
        assert_eq!(means(component(Kind::Link, 0, 0, 0o777)), None);
        assert_eq!(means(component(Kind::Link, 1000, 0, 0o777)), Some(Means::Owner(1000)));
    }

    #[test]
    fn an_access_list_that_lets_somebody_write_may_let_the_agent() {
        let with = |mode| Component { has_list: true, ..component(Kind::Directory, 0, 50, mode) };
        assert_eq!(with(0o775).can_be_changed_by(&agent()), Some(Means::List));
        assert_eq!(with(0o755).can_be_changed_by(&agent()), None, "the mask lets nobody");
    }

    #[test]
    fn root_is_nobody_and_a_range_has_its_ends() {
        let mut agent = Identity::default();
        agent.add_users(0, 1);
        assert_eq!(agent, Identity::default());
        agent.add_users(0, 3);
        agent.add_users(100_000, 65_536);
        let owned = [0, 1, 2, 3, 99_999, 100_000, 165_535, 165_536].map(|user| agent.is_user(user));
        assert_eq!(owned, [false, true, true, false, false, true, true, false]);
        agent.add_users(u32::MAX, u32::MAX);
        assert!(agent.is_user(u32::MAX));
    }

    fn any_component() -> impl Strategy<Value = Component> {
        let kind = prop_oneof![Just(Kind::Directory), Just(Kind::Link), Just(Kind::File)];
        (kind, 0..4_u32, 0..4_u32, 0..0o10_000_u32, any::<bool>())
            .prop_map(|(kind, owner, group, mode, has_list)| Component { kind, owner, group, mode, has_list })
    }

    fn any_identity() -> impl Strategy<Value = Identity> {
        let numbers = || proptest::collection::vec(0..4_u32, 0..3);
        (numbers(), numbers(), any::<bool>()).prop_map(|(users, groups, any_group)| {
            let mut identity = Identity { any_group, ..Identity::default() };
            users.into_iter().for_each(|user| identity.add_user(user));
            groups.into_iter().for_each(|group| identity.add_group(group));
            identity
        })
    }

    proptest! {
        /// The daemon asks who the agent is only where it matters.
        #[test]
        fn what_is_roots_alone_no_agent_changes(component in any_component(), agent in any_identity()) {
            if component.is_roots_alone() {
                prop_assert_eq!(component.can_be_changed_by(&agent), None);
            }
        }

        /// As the kernel decides it for one user with one group, of what has no access list (`acl_permission_check`).
        #[test]
        fn what_the_kernel_lets_the_agent_write_can_be_changed(
            component in any_component(), user in 1..4_u32, group in 0..4_u32,
        ) {
            let mut agent = Identity::default();
            agent.add_user(user);
            agent.add_group(group);
            let class = if component.owner == user { 6 } else if component.group == group { 3 } else { 0 };
            let writes = component.kind != Kind::Link && component.mode >> class & 0o2 != 0;
            let keeps = component.kind == Kind::Directory
                && component.mode & STICKY != 0
                && component.owner != user;
            if writes && !keeps {
                prop_assert!(component.can_be_changed_by(&agent).is_some());
            }
        }

        /// Whoever is more can do more.
        #[test]
        fn another_user_or_group_takes_nothing_away(
            component in any_component(), agent in any_identity(), user in 0..4_u32, group in 0..4_u32,
        ) {
            let mut more = agent.clone();
            more.add_user(user);
            more.add_group(group);
            if component.can_be_changed_by(&agent).is_some() {
                prop_assert!(component.can_be_changed_by(&more).is_some());
            }
        }
    }
}
