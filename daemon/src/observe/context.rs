//! What rules may look at beside which program it is.

use holdpoint_core::{
    policy::{Account, Context, Owner, Parents},
    time::WallTime,
};

use super::Observed;

/// What rules may look at and requests do not show. What is not known is none, and a clause about it is in doubt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The whole environment: strings `NAME=value`.
    pub(crate) environment: Option<Vec<Vec<u8>>>,
    /// The numbers of its groups.
    pub(crate) groups: Option<Vec<u32>>,
    /// With the names, once the host has said them.
    pub(crate) accounts: Option<Accounts>,
    /// Whether there are no more parents than the request shows.
    pub(crate) parents_are_all: bool,
    /// Whether it is known that there is no terminal where the request shows none.
    pub(crate) tty_is_known: bool,
}

/// Users and groups with their names.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) users: Option<Vec<Account>>,
    pub(crate) groups: Option<Vec<Account>>,
}

impl Observed {
    /// What clauses look at.
    pub(crate) fn context(&self, at: WallTime) -> Context<'_> {
        let (facts, surroundings) = (&self.facts, &self.surroundings);
        // Empty where it could not be read.
        let known = |path: &'_ Vec<u8>| !path.is_empty();
        let accounts = surroundings.accounts.as_ref();
        let has_cgroup = known(&facts.cgroup.0);
        Context {
            at: Some(at),
            agent: Some(&facts.agent.name),
            users: accounts.and_then(|accounts| accounts.users.as_deref()),
            groups: accounts.and_then(|accounts| accounts.groups.as_deref()),
            host: Some(&facts.host),
            unit: has_cgroup.then_some(facts.unit.as_deref()),
            cgroup: has_cgroup.then_some(&facts.cgroup.0),
            cwd: known(&facts.cwd.0).then_some(&facts.cwd.0),
            parents: Some(Parents { of: &facts.parents, cut: !surroundings.parents_are_all }),
            tty: (surroundings.tty_is_known || facts.tty.is_some()).then_some(facts.tty.is_some()),
            argv: (!facts.is_interpreter).then_some(&facts.argv),
            environment: surroundings.environment.as_deref(),
            hidden: &[],
            sha256: Some(&facts.executable.sha256),
            owner: Some(Owner::of(facts.executable.owner, facts.executable.mode)),
        }
    }
}
