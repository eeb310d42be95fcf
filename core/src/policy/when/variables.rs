//! What an expression can look at, and its value for one exec.

use std::{borrow::Cow, collections::HashMap, fmt};

use cel::common::{
    types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString},
    value::Val,
};

use super::{
    super::{Account, schedule::Zone, view::View},
    kind::{Kind, Scalar},
};
use crate::escape::argument;

/// So many strings and so many bytes of them an expression gets to look at. Where there is more, it is in doubt: the agent
/// chooses how much there is, and an expression can take long for each.
pub(in crate::policy) const MAX_TEXTS: usize = 1024;
pub(in crate::policy) const MAX_BYTES: usize = 64 << 10;

/// A number that no user has. Cases give it to users of whom they only tell the name.
const NOBODY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Variable {
    Program,
    Args,
    Words,
    Flags,
    Env,
    Resource,
    Agent,
    User,
    Uid,
    Groups,
    Host,
    Unit,
    Cgroup,
    Cwd,
    Parents,
    Tty,
    Hash,
    Owner,
    At,
    Hour,
    Weekday,
}

/// All of them. [`Variable`] has the same order.
pub(in crate::policy) const VARIABLES: [(&str, Variable, Kind); 21] = [
    ("program", Variable::Program, Kind::One(Scalar::Text)),
    ("args", Variable::Args, Kind::Many(Scalar::Text)),
    ("words", Variable::Words, Kind::Many(Scalar::Text)),
    ("flags", Variable::Flags, Kind::Named),
    ("env", Variable::Env, Kind::Variables),
    ("resource", Variable::Resource, Kind::Named),
    ("agent", Variable::Agent, Kind::One(Scalar::Text)),
    ("user", Variable::User, Kind::One(Scalar::Text)),
    ("uid", Variable::Uid, Kind::One(Scalar::Number)),
    ("groups", Variable::Groups, Kind::Many(Scalar::Text)),
    ("host", Variable::Host, Kind::One(Scalar::Text)),
    ("unit", Variable::Unit, Kind::One(Scalar::Text)),
    ("cgroup", Variable::Cgroup, Kind::One(Scalar::Text)),
    ("cwd", Variable::Cwd, Kind::One(Scalar::Text)),
    ("parents", Variable::Parents, Kind::Many(Scalar::Text)),
    ("tty", Variable::Tty, Kind::One(Scalar::Truth)),
    ("hash", Variable::Hash, Kind::One(Scalar::Text)),
    ("owner", Variable::Owner, Kind::One(Scalar::Text)),
    ("at", Variable::At, Kind::One(Scalar::Text)),
    ("hour", Variable::Hour, Kind::One(Scalar::Number)),
    ("weekday", Variable::Weekday, Kind::One(Scalar::Text)),
];

/// A variable that an expression looks at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) variable: Variable,
    /// Of `flags`, `env` and `resource` only these. Empty where all of `env` is looked at.
    pub(super) names: Vec<String>,
}

/// What is known of it.
pub(super) enum Found<'s> {
    Truth(bool),
    Number(i64),
    Text(Cow<'s, str>),
    Texts(Vec<Cow<'s, str>>),
    /// By name.
    Map(Vec<(&'s str, Found<'s>)>),
}

/// What is left of what an expression gets to look at.
pub(super) struct Budget {
    texts: usize,
    bytes: usize,
}

impl Variable {
    pub(super) fn name(self) -> &'static str {
        VARIABLES.iter().find(|(_, variable, _)| *variable == self).map_or("", |(name, ..)| *name)
    }
}

impl Look {
    /// # Errors
    /// With the reason, where it is not known or in doubt.
    pub(super) fn known<'s>(&'s self, view: &'s View<'_>, budget: &mut Budget) -> Result<Found<'s>, String> {
        self.look(view, budget).map_err(|why| format!("{self} {why}"))
    }

    fn look<'s>(&'s self, view: &'s View<'_>, budget: &mut Budget) -> Result<Found<'s>, Cow<'s, str>> {
        const UNKNOWN: Cow<'_, str> = Cow::Borrowed("is not known");
        let context = view.context;
        let one = |text: &'s [u8], budget: &mut Budget| Ok(Found::Text(budget.text(text)?.into()));
        match self.variable {
            Variable::Program => one(view.program, budget),
            Variable::Args => {
                let arguments = context.argv.ok_or(UNKNOWN)?.get(1..).unwrap_or_default();
                budget.texts(arguments.iter().map(|argument| argument.0.as_slice()))
            }
            Variable::Words => {
                let analysis = view.analysis().ok_or(UNKNOWN)?;
                doubt(view)?;
                budget.texts(analysis.words.iter().copied())
            }
            Variable::Flags => {
                view.analysis().ok_or(UNKNOWN)?;
                doubt(view)?;
                let mut found = Vec::with_capacity(self.names.len());
                for name in &self.names {
                    let values = view.option(std::slice::from_ref(name)).ok_or(UNKNOWN)?;
                    let mut values = values.peekable();
                    if values.peek().is_some() {
                        found.push((name.as_str(), budget.texts(values)?));
                    }
                }
                Ok(Found::Map(found))
            }
            Variable::Env => self.environment(view, budget),
            Variable::Resource => {
                let mut found = Vec::with_capacity(self.names.len());
                for name in &self.names {
                    let Some(values) = view.resource(name) else {
                        doubt(view)?;
                        return Err(UNKNOWN);
                    };
                    if values.is_empty() {
                        return Err("is told by nothing".into());
                    }
                    found.push((name.as_str(), budget.texts(values.into_iter())?));
                }
                Ok(Found::Map(found))
            }
            Variable::Agent => one(context.agent.ok_or(UNKNOWN)?.as_bytes(), budget),
            Variable::User => {
                let user = only(context.users.ok_or(UNKNOWN)?)?;
                Ok(Found::Text(user.to_string().into()))
            }
            Variable::Uid => match only(context.users.ok_or(UNKNOWN)?)?.id {
                NOBODY => Err(UNKNOWN),
                id => Ok(Found::Number(id.into())),
            },
            Variable::Groups => {
                let mut texts = Vec::new();
                for group in context.groups.ok_or(UNKNOWN)? {
                    if let Some(name) = &group.name {
                        texts.push(budget.text(name.as_bytes())?.into());
                    }
                    budget.take(1, 0)?;
                    texts.push(group.id.to_string().into());
                }
                Ok(Found::Texts(texts))
            }
            Variable::Host => one(context.host.ok_or(UNKNOWN)?.as_bytes(), budget),
            Variable::Unit => one(context.unit.ok_or(UNKNOWN)?.unwrap_or_default().as_bytes(), budget),
            Variable::Cgroup => one(context.cgroup.ok_or(UNKNOWN)?, budget),
            Variable::Cwd => one(context.cwd.ok_or(UNKNOWN)?, budget),
            Variable::Parents => {
                let parents = context.parents.ok_or(UNKNOWN)?;
                if parents.cut || parents.of.iter().any(|parent| parent.exe.0.is_empty()) {
                    return Err("are not all known".into());
                }
                budget.texts(parents.of.iter().map(|parent| parent.exe.0.as_slice()))
            }
            Variable::Tty => Ok(Found::Truth(context.tty.ok_or(UNKNOWN)?)),
            Variable::Hash => one(context.sha256.ok_or(UNKNOWN)?.as_bytes(), budget),
            Variable::Owner => Ok(Found::Text(context.owner.ok_or(UNKNOWN)?.to_string().into())),
            Variable::At | Variable::Hour | Variable::Weekday => {
                let local = Zone::utc().local(context.at.ok_or(UNKNOWN)?);
                let local = local.ok_or("is no time of the calendar's")?;
                Ok(match self.variable {
                    Variable::Hour => Found::Number(local.hour().into()),
                    Variable::Weekday => {
                        Found::Text(local.strftime("%a").to_string().to_ascii_lowercase().into())
                    }
                    _ => Found::Text(local.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()),
                })
            }
        }
    }

    /// A variable that is set twice is one where both say the same: programs differ in which of them they take.
    fn environment<'s>(&'s self, view: &'s View<'_>, budget: &mut Budget) -> Result<Found<'s>, Cow<'s, str>> {
        let is_meant =
            |name: &[u8]| self.names.is_empty() || self.names.iter().any(|wanted| wanted.as_bytes() == name);
        if let Some(hidden) = view.context.hidden.iter().find(|hidden| is_meant(&hidden.0)) {
            return Err(format!("has {}, whose value is not known", argument(&hidden.0)).into());
        }
        let mut found = Vec::new();
        let mut values: HashMap<&[u8], &[u8]> = HashMap::new();
        for (name, value) in view.environment().ok_or("is not known")? {
            if !is_meant(name) {
                continue;
            }
            match values.insert(name, value) {
                Some(before) if before == *value => continue,
                Some(_) => return Err(format!("has {} with two values", argument(name)).into()),
                None => {}
            }
            found.push((budget.text(name)?, Found::Text(budget.text(value)?.into())));
        }
        Ok(Found::Map(found))
    }
}

impl<'s> Found<'s> {
    pub(super) fn into_value(self) -> Box<dyn Val + 's> {
        match self {
            Self::Truth(truth) => Box::new(CelBool::from(truth)),
            Self::Number(number) => Box::new(CelInt::from(number)),
            Self::Text(text) => Box::new(CelString::from(text)),
            Self::Texts(texts) => {
                let texts = texts.into_iter().map(|text| Self::Text(text).into_value());
                Box::new(CelList::from(texts.collect::<Vec<_>>()))
            }
            Self::Map(entries) => {
                let entries =
                    entries.into_iter().map(|(name, found)| (CelMapKey::from(name), found.into_value()));
                Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
            }
        }
    }
}

impl Budget {
    fn take(&mut self, texts: usize, bytes: usize) -> Result<(), Cow<'static, str>> {
        let left = self.texts.checked_sub(texts).zip(self.bytes.checked_sub(bytes));
        let (texts, bytes) = left.ok_or("is more than an expression looks at")?;
        *self = Self { texts, bytes };
        Ok(())
    }

    fn text<'t>(&mut self, text: &'t [u8]) -> Result<&'t str, Cow<'static, str>> {
        self.take(1, text.len())?;
        std::str::from_utf8(text).map_err(|_| "has bytes that are not UTF-8".into())
    }

    fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t [u8]>) -> Result<Found<'t>, Cow<'static, str>> {
        let texts: Result<Vec<_>, _> = texts.map(|text| self.text(text).map(Cow::Borrowed)).collect();
        Ok(Found::Texts(texts?))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { texts: MAX_TEXTS, bytes: MAX_BYTES }
    }
}

/// As it is written in an expression.
impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable.name())
    }
}

/// For people, escaped.
impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argument = |text: &str| argument(text.as_bytes());
        match self {
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(&argument(text)),
            Self::Texts(texts) => {
                f.write_str("[")?;
                for (index, text) in texts.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { " " }, argument(text))?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (name, found)) in entries.iter().enumerate() {
                    write!(f, "{}{}: {found}", if index == 0 { "" } else { ", " }, argument(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Whether it is in doubt what the arguments mean.
fn doubt<'s>(view: &'s View<'_>) -> Result<(), Cow<'s, str>> {
    match view.analysis().and_then(|analysis| analysis.doubt.as_ref()) {
        Some(doubt) => Err(format!("is in doubt: {}", doubt.why).into()),
        None => Ok(()),
    }
}

/// The user that an exec acts as, where it is one.
fn only(users: &[Account]) -> Result<&Account, Cow<'static, str>> {
    match users.split_first() {
        None => Err("is not known".into()),
        Some((first, others)) if others.iter().all(|other| other == first) => Ok(first),
        Some(_) => Err("is not the same for the real and the effective user".into()),
    }
}
