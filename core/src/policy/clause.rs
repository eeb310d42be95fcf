//! Clauses: what a rule says of an exec beside which program it is.

use std::collections::BTreeSet;

use super::{
    Context, Expression, Owner, StringSet, Truth, ValueTest, When,
    pattern::last_component,
    schedule::{Dates, Hours},
    view::View,
};
use crate::{alleged::Alleged, facts::ParentFacts};

/// One key of a rule, or of its `unless`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Clause {
    /// The agent's name.
    Agents(StringSet),
    /// The users that it acts as, by name or number.
    Users(StringSet),
    /// One of the groups that it acts as, by name or number.
    Groups(StringSet),
    /// The host's name.
    Hosts(StringSet),
    /// The unit of systemd.
    Units(StringSet),
    /// The cgroup.
    Cgroups(StringSet),
    /// The working directory.
    Cwd(StringSet),
    /// What one of its parents executes: a name or a path.
    Parents(Vec<String>, StringSet),
    /// Whether it has a controlling terminal.
    Tty(bool),
    /// Its arguments as they stand.
    Args(ArgsTest),
    /// The first words: any of these beginnings.
    Subcommand(Vec<Vec<StringSet>>),
    /// The value of an option, by any of its names.
    Flag(Vec<String>, ValueTest),
    /// The values of a variable, or of all whose names match a glob.
    Env(StringSet, ValueTest),
    /// The value of a resource.
    Resource(String, ValueTest),
    /// When.
    Hours(Hours),
    /// On which days.
    Dates(Vec<Dates>),
    /// The content of the file.
    Hash(BTreeSet<String>),
    /// Whose the file is.
    Owner(Owner),
    /// An expression.
    When(When),
    /// Not where all of these hold.
    Unless(Vec<Clause>),
}

/// What has to hold of the arguments, `argv[0]` left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ArgsTest {
    /// Some argument is one of these.
    pub any: Option<StringSet>,
    /// For each of these there is an argument.
    pub all: Vec<StringSet>,
    /// No argument is one of these.
    pub none: Option<StringSet>,
    /// Some argument matches.
    pub regex: Option<Expression>,
    /// There are so many of them, from and to.
    pub count: Option<(usize, usize)>,
}

impl Clause {
    /// Whether it holds.
    #[must_use]
    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        self.known(view).unwrap_or(Truth::Doubt)
    }

    /// None where what it looks at is not known.
    fn known(&self, view: &View<'_>) -> Option<Truth> {
        let context: &Context<'_> = view.context;
        Some(match self {
            Self::Agents(set) => set.matches(context.agent?.as_bytes()).into(),
            Self::Users(set) => {
                let each = context.users?.iter().map(|account| is_one(account, set));
                Truth::agreed(each)?
            }
            Self::Groups(set) => context.groups?.iter().any(|account| is_one(account, set)).into(),
            Self::Hosts(set) => set.matches(context.host?.as_bytes()).into(),
            Self::Units(set) => context.unit?.is_some_and(|unit| set.matches(unit.as_bytes())).into(),
            Self::Cgroups(set) => set.matches(context.cgroup?).into(),
            Self::Cwd(set) => set.matches(context.cwd?).into(),
            Self::Parents(names, paths) => {
                let parents = context.parents?;
                let is_one = |parent: &ParentFacts| {
                    let file = parent.exe.0.as_slice();
                    names.iter().any(|known| known.as_bytes() == last_component(file)) || paths.matches(file)
                };
                let unread = parents.of.iter().any(|parent| parent.exe.0.is_empty());
                match parents.of.iter().any(is_one) {
                    false if parents.cut || unread => Truth::Doubt,
                    found => found.into(),
                }
            }
            Self::Tty(wanted) => (context.tty? == *wanted).into(),
            Self::Args(test) => test.holds(context.argv?.get(1..).unwrap_or_default()).into(),
            Self::Subcommand(beginnings) => {
                let analysis = view.analysis()?;
                let sure = analysis.doubt.as_ref().map_or(usize::MAX, |doubt| doubt.words);
                let mut best = Truth::No;
                for words in beginnings {
                    best = best.max(begins(&analysis.words, sure, words));
                    if best == Truth::Yes {
                        break;
                    }
                }
                // What an option does that nobody knows, nobody knows.
                let sure_enough = analysis.doubt.is_none() || view.grammar().more_options;
                let most = if sure_enough { Truth::Yes } else { Truth::Doubt };
                best.min(most)
            }
            Self::Flag(names, test) => test.holds(view.option(names)?),
            Self::Env(names, test) => test.holds(view.variables(names)?),
            Self::Resource(name, test) => {
                let found = view.resource(name)?;
                // Nothing tells it, which is not the same as absent: some file may.
                if found.is_empty() { Truth::Doubt } else { test.holds(found) }
            }
            Self::Hours(hours) => hours.contain(context.at?)?.into(),
            Self::Dates(dates) => {
                let at = context.at?;
                let on: Option<Vec<bool>> = dates.iter().map(|dates| dates.contain(at)).collect();
                on?.contains(&true).into()
            }
            Self::Hash(hashes) => hashes.contains(context.sha256?).into(),
            Self::Owner(owner) => (context.owner? == *owner).into(),
            Self::When(expression) => expression.holds(view),
            Self::Unless(clauses) => !all_of(clauses, view),
        })
    }
}

impl ArgsTest {
    fn holds(&self, arguments: &[Alleged]) -> bool {
        let some = |set: &StringSet| arguments.iter().any(|argument| set.matches(&argument.0));
        self.any.as_ref().is_none_or(some)
            && self.all.iter().all(some)
            && self.none.as_ref().is_none_or(|set| !some(set))
            && self
                .regex
                .as_ref()
                .is_none_or(|regex| arguments.iter().any(|argument| regex.matches(&argument.0)))
            && self.count.is_none_or(|(least, most)| (least..=most).contains(&arguments.len()))
    }
}

/// Whether all hold. What says no ends the look.
pub(super) fn all_of(clauses: &[Clause], view: &View<'_>) -> Truth {
    let mut together = Truth::Yes;
    for clause in clauses {
        together = together.and(clause.holds(view));
        if together == Truth::No {
            break;
        }
    }
    together
}

fn is_one(account: &super::Account, set: &StringSet) -> bool {
    let by_name = account.name.as_ref().is_some_and(|name| set.matches(name.as_bytes()));
    by_name || set.matches(account.id.to_string().as_bytes())
}

/// Whether the words begin so, of which the first `sure` are sure.
fn begins(words: &[&[u8]], sure: usize, wanted: &[StringSet]) -> Truth {
    for (index, want) in wanted.iter().enumerate() {
        if index >= sure {
            return Truth::Doubt;
        }
        if !words.get(index).is_some_and(|word| want.matches(word)) {
            return Truth::No;
        }
    }
    Truth::Yes
}

/// In the words of the file.
impl std::fmt::Display for ArgsTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = Vec::new();
        words.extend(self.any.as_ref().map(|set| format!("any [{set}]")));
        let all = self.all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        words.extend((!self.all.is_empty()).then(|| format!("all [{all}]")));
        words.extend(self.none.as_ref().map(|set| format!("none [{set}]")));
        let shown = |regex: &Expression| crate::escape::for_terminal(regex.text().as_bytes());
        words.extend(self.regex.as_ref().map(|regex| format!("regex \"{}\"", shown(regex))));
        words.extend(self.count.map(|(least, most)| match most {
            usize::MAX => format!("count {least} at least"),
            most if most == least => format!("count {least}"),
            most => format!("count {least} to {most}"),
        }));
        f.write_str(&words.join(", "))
    }
}
