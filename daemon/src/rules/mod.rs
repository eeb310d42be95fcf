//! The rules as the daemon has them: the policy from its files, and what the kernel half shall look for.
#![forbid(unsafe_code)]

mod again;
mod directories;
mod enforced;
mod listing;
mod objection;
mod ruling;
mod silence;

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint_abi::{FileKey, LISTED_HOLD, LISTED_MANY_NAMES, LISTED_OBSERVE, LISTED_REFUSE, Name};
use holdpoint_core::{
    config::Config,
    diagnostic::{Diagnostic, Severity},
    policy::{Exec, Policy},
};
use holdpoint_files::FilesError;
use thiserror::Error;

use crate::{
    agents::{self, Agents},
    configuration::{self, ConfigurationError},
    engine::InForce,
};

pub(crate) use again::{Found, find_again};
pub(crate) use directories::{Directories, Interest};
use enforced::Enforced;
pub(crate) use ruling::Ruling;

/// Rules in force, or about to be.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// The configuration that they come with: whose processes are agents', and what holds where a rule says nothing.
    pub(crate) config: Arc<Config>,
    pub(crate) policy: Arc<Policy>,
    /// Those of its rules that are enforced, where not all are.
    pub(crate) enforced: Option<Arc<Enforced>>,
    /// Files that the kernel half looks for, each with the paths by which rules know it.
    pub(crate) files: HashMap<FileKey, Vec<Vec<u8>>>,
    /// Files that become a listed program by the name in their arguments. Some may be listed themselves.
    pub(crate) many_names: HashSet<FileKey>,
    /// Names that the kernel half looks for.
    pub(crate) names: Vec<Name>,
    /// Whose processes are agents' without asking for it.
    pub(crate) agents: Agents,
    /// What does not answer, and was left out.
    pub(crate) silent: Vec<PathBuf>,
    /// What is odd, each with its place.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Why rules were not loaded. Those in force stay.
#[derive(Debug, Error)]
pub(crate) enum RulesError {
    #[error("cannot read '{path}': {cause}")]
    Read { path: String, cause: String },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Wrong(Vec<Diagnostic>),
    #[error("cannot look for the files of the rules: {0}")]
    Look(io::Error),
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

/// Reads the rules and finds the files that they are about.
///
/// # Errors
/// When a file cannot be read or does not parse, or a rule is about more files than there is room for.
pub(crate) fn load(config: &Arc<Config>) -> Result<Rules, RulesError> {
    let sources = holdpoint_files::rules_in(&config.policies).map_err(|error| match error {
        FilesError::Read { path, cause } => RulesError::Read { path, cause },
        FilesError::Wrong(diagnostic) => RulesError::Wrong(vec![*diagnostic]),
    })?;
    let (policy, mut warnings) = holdpoint_core::policy::parse(&sources).map_err(RulesError::Wrong)?;
    let policy = policy.with_defaults(config.defaults);
    let contradictions = policy.contradictions();
    if !contradictions.is_empty() {
        return Err(RulesError::Wrong(contradictions));
    }
    let enforced = Enforced::of(&policy, config.mode);
    let policy = Arc::new(policy);
    let own = Arc::clone(&policy);
    let (listing, silent) =
        silence::around(move |walk| listing::list(&own, walk)).map_err(RulesError::Look)?;
    let listing = listing?;
    warnings.extend(listing.warnings);
    if let Some(problem) = unanswered(&silent) {
        warnings.push(Diagnostic::of_file(Severity::Warning, "policies.d", problem));
    }
    let mut agents = agents::resolve(&config.agents).map_err(RulesError::Wrong)?;
    warnings.append(&mut agents.warnings);
    Ok(Rules {
        config: Arc::clone(config),
        policy,
        enforced,
        files: listing.files,
        many_names: listing.many_names,
        names: listing.names,
        agents,
        silent,
        warnings,
    })
}

/// What is wrong where something does not answer.
pub(crate) fn unanswered(silent: &[PathBuf]) -> Option<String> {
    let first = silent.first()?;
    let more = match silent.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} places more)"),
    };
    Some(format!(
        "'{}'{more} does not answer: what is new there is not listed, unless by its name; see who serves this file system",
        holdpoint_core::escape::for_terminal(first.as_os_str().as_encoded_bytes())
    ))
}

/// Reads configuration and rules again.
///
/// # Errors
/// As [`load`], and when the configuration cannot be used.
pub(crate) fn reload(config_path: &Path, in_force: &Config) -> Result<Rules, RulesError> {
    let (config, mut warnings) = configuration::read_again(config_path, in_force)?;
    let mut rules = load(&Arc::new(config))?;
    warnings.append(&mut rules.warnings);
    Ok(Rules { warnings, ..rules })
}

impl Rules {
    /// What others need to know of them.
    pub(crate) fn in_force(&self) -> InForce {
        InForce { policy: Arc::clone(&self.policy), config: Arc::clone(&self.config) }
    }

    /// How many rules only observe.
    pub(crate) fn observing(&self) -> usize {
        self.policy.rules().iter().filter(|rule| rule.mode.observes()).count()
    }

    /// What is odd, for whoever says "warning" himself.
    pub(crate) fn told_warnings(&self) -> Vec<String> {
        let text =
            |diagnostic: &Diagnostic| diagnostic.to_string().trim_start_matches("warning: ").to_owned();
        self.warnings.iter().map(text).collect()
    }

    /// The files for the kernel half's list, and how an exec of each waits.
    ///
    /// What is listed itself is not looked at by its arguments, but where rules that only observe list it: then it is one of
    /// many names, as it would be without them.
    pub(crate) fn listed_files(&self) -> impl Iterator<Item = (FileKey, u32)> {
        let wait = |key: &FileKey| match self.wait_of_file(*key) {
            LISTED_OBSERVE if self.many_names.contains(key) => LISTED_MANY_NAMES,
            wait => wait,
        };
        let files = self.files.keys().map(move |key| (*key, wait(key)));
        let others = self.many_names.iter().filter(|key| !self.files.contains_key(*key));
        files.chain(others.map(|key| (*key, LISTED_MANY_NAMES)))
    }

    /// How the exec of a listed file waits: `LISTED_HOLD`, `LISTED_REFUSE` or `LISTED_OBSERVE`.
    ///
    /// Where it could come under a rule that asks and refuses at once, the kernel half does that before it is known
    /// which rule it is. What a rule allows then passes when it is tried again.
    fn wait_of_file(&self, key: FileKey) -> u32 {
        let policy = self.enforced.as_ref().map_or(&*self.policy, |enforced| &enforced.policy);
        let known = self.files.get(&key).map(Vec::as_slice).unwrap_or_default();
        let each = known.iter().flat_map(|path| {
            let (path, name) = (path.as_slice(), last_component(path));
            [Exec { names: &[], paths: &[path] }, Exec { names: &[name], paths: &[] }]
                .map(|exec| policy.could_refuse_at_once(&exec))
        });
        let paths: Vec<&[u8]> = known.iter().map(Vec::as_slice).collect();
        let names: Vec<&[u8]> = known.iter().map(|path| last_component(path)).collect();
        let together = Exec { names: &names, paths: &paths };
        if self.enforced.is_some() && !policy.listed(&together) {
            return LISTED_OBSERVE;
        }
        // A rule that denies wins over all others, at once.
        let denied = policy.always_denies(&together);
        if !denied && each.chain([policy.could_refuse_at_once(&together)]).any(|refuses| refuses) {
            LISTED_REFUSE
        } else {
            LISTED_HOLD
        }
    }

    /// The same for a listed name. A name that is the last part of a path or glob holds: most files that have it are
    /// not meant, and go on at once.
    pub(crate) fn wait_of_name(&self, name: &Name) -> u32 {
        let name: Vec<u8> = name.iter().copied().take_while(|byte| *byte != 0).collect();
        let exec = Exec { names: &[&name], paths: &[] };
        match &self.enforced {
            Some(enforced) if enforced.observed_names.contains(&name) => LISTED_OBSERVE,
            Some(enforced) if enforced.policy.could_refuse_at_once(&exec) => LISTED_REFUSE,
            None if self.policy.could_refuse_at_once(&exec) => LISTED_REFUSE,
            _ => LISTED_HOLD,
        }
    }

    /// The paths by which the rules know a file.
    pub(crate) fn paths_of(&self, key: FileKey) -> Vec<Vec<u8>> {
        self.files.get(&key).cloned().unwrap_or_default()
    }
}

fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
