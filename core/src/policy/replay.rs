//! Rules that are tried on what was requested before.

use super::{Account, Owner, case::Command, pattern::last_component};
use crate::{alleged::Alleged, facts::ExecFacts, time::WallTime};

/// As many parents are in a record at most; where there are so many, there may be more.
const PARENTS: usize = 32;

/// What rules may look at, as far as the record of a request has it.
///
/// Not in the record are the groups, the values of variables that requests do not show, and the name of the effective user where
/// that is another one. A clause about one of these is in doubt.
#[must_use]
pub fn command(facts: &ExecFacts, made_at: WallTime) -> Command {
    let file = &facts.executable;
    let mut names = vec![last_component(&facts.called.0).to_vec(), last_component(&file.path.0).to_vec()];
    if facts.is_interpreter {
        // The path as called names the script.
        names.remove(0);
    }
    names.retain(|name| !name.is_empty());
    names.dedup();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().filter(|text| !text.is_empty());
    let user = Account { id: facts.user.uid, name: facts.user.name.clone() };
    Command {
        names,
        paths: vec![file.path.0.clone()],
        argv: facts.argv.clone(),
        environment: facts.other_env.is_some().then(|| environment(facts)),
        hidden: facts.other_env.clone().unwrap_or_default(),
        at: Some(made_at),
        agent: Some(facts.agent.name.clone()),
        users: (facts.user.uid == facts.user.euid).then(|| vec![user]),
        groups: None,
        host: Some(facts.host.clone()),
        unit: (!facts.cgroup.0.is_empty()).then(|| facts.unit.clone()),
        cgroup: text(&facts.cgroup.0),
        cwd: text(&facts.cwd.0),
        parents: Some(facts.parents.clone()),
        parents_cut: facts.parents.len() >= PARENTS,
        is_interpreter: facts.is_interpreter,
        tty: Some(facts.tty.is_some()),
        sha256: Some(file.sha256.clone()),
        owner: Some(Owner::of(file.owner, file.mode)),
    }
}

/// The variables that the request shows. One that stands there twice has its number behind its name.
fn environment(facts: &ExecFacts) -> Vec<Vec<u8>> {
    let string = |(name, value): (&String, &Alleged)| {
        let name = name.split(" (again, ").next().unwrap_or_default();
        [name.as_bytes(), b"=", value.0.as_slice()].concat()
    };
    facts.env.iter().map(string).collect()
}
