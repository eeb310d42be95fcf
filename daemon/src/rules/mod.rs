//! The rules as the daemon has them: the policy from its files, and what the kernel half shall look for.
#![forbid(unsafe_code)]

mod again;
mod directories;
mod listing;
mod objection;
mod silence;

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint_abi::{FileKey, Hold, LISTED_HOLD, LISTED_REFUSE, MATCHED_FILE, Name, PHASE_FILED};
use holdpoint_core::{
    alleged::Alleged,
    config::Config,
    diagnostic::{Diagnostic, Severity},
    policy::{Action, Context, Decision, Exec, Policy},
};
use holdpoint_files::FilesError;
use thiserror::Error;

use crate::{
    agents::{self, Agents},
    configuration::{self, ConfigurationError},
    engine::InForce,
    observe::Observed,
    sys::clock,
};

pub(crate) use again::{Found, find_again};
pub(crate) use directories::{Directories, Interest};

/// Rules in force, or about to be.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// The configuration that they come with: whose processes are agents', and what holds where a rule says nothing.
    pub(crate) config: Arc<Config>,
    pub(crate) policy: Arc<Policy>,
    /// Files that the kernel half looks for, each with the paths by which rules know it.
    pub(crate) files: HashMap<FileKey, Vec<Vec<u8>>>,
    /// Files that are not listed, and become a listed program by the name in their arguments.
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

/// What the rules say of a held exec.
#[derive(Clone, Debug)]
pub(crate) enum Ruling {
    /// No rule is about it: it came by a name that a listed file could have had.
    NotMeant,
    /// What to do. `interpreter` is the listed interpreter that the decision covers as well; `objection` is what is wrong
    /// with this exec, for which it is refused though its program might run.
    Decided { decision: Box<Decision>, interpreter: FileKey, objection: Option<String> },
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

    /// What is odd, for whoever says "warning" himself.
    pub(crate) fn told_warnings(&self) -> Vec<String> {
        let text =
            |diagnostic: &Diagnostic| diagnostic.to_string().trim_start_matches("warning: ").to_owned();
        self.warnings.iter().map(text).collect()
    }

    /// What to do about a held exec.
    pub(crate) fn rule(&self, hold: &Hold, observed: &Observed) -> Ruling {
        let path = observed.facts.executable.path.0.as_slice();
        let context = observed.context(clock::wall());
        let own = self.decide(hold.file, path, &observed.names, &context);
        let mut decision = match stricter(own, self.by_arguments(hold.file, observed, &context)) {
            Some(decision) => decision,
            None if hold.matched == MATCHED_FILE => {
                self.policy.decide(&Exec { names: &[], paths: &[path] }, &context)
            }
            None => return Ruling::NotMeant,
        };
        // Which arguments the kernel gives an interpreter, and what is in its file, nobody has looked at.
        let of_interpreter = Context { argv: None, sha256: None, owner: None, ..context };
        let mut covered = FileKey::default();
        for (path, key) in &observed.interpreters {
            let names = [last_component(path).to_vec()];
            let Some(said) = self.decide(*key, path, &names, &of_interpreter) else { continue };
            if covered != FileKey::default() && covered != *key {
                decision.action = Action::Deny;
                decision.because = "more than one of the script's interpreters is listed".to_owned();
                break;
            }
            covered = *key;
            let loader_variables = decision.loader_variables.max(said.loader_variables);
            if said.action.strictness() > decision.action.strictness() {
                decision = said;
            }
            decision.loader_variables = loader_variables;
        }
        let objection = objection::to(&decision, observed, hold.phase == PHASE_FILED);
        if objection.is_some() {
            decision.action = Action::Deny;
        }
        Ruling::Decided { decision: Box::new(decision), interpreter: covered, objection }
    }

    /// How the exec of a listed file waits: `LISTED_HOLD` or `LISTED_REFUSE`.
    ///
    /// Where it could come under a rule that asks and refuses at once, the kernel half does that before it is known
    /// which rule it is. What a rule allows then passes when it is tried again.
    pub(crate) fn wait_of_file(&self, key: FileKey) -> u32 {
        let known = self.files.get(&key).map(Vec::as_slice).unwrap_or_default();
        let each = known.iter().flat_map(|path| {
            let (path, name) = (path.as_slice(), last_component(path));
            [Exec { names: &[], paths: &[path] }, Exec { names: &[name], paths: &[] }]
                .map(|exec| self.policy.could_refuse_at_once(&exec))
        });
        let paths: Vec<&[u8]> = known.iter().map(Vec::as_slice).collect();
        let names: Vec<&[u8]> = known.iter().map(|path| last_component(path)).collect();
        let together = Exec { names: &names, paths: &paths };
        // A rule that denies wins over all others, at once.
        let denied = self.policy.always_denies(&together);
        if !denied && each.chain([self.policy.could_refuse_at_once(&together)]).any(|refuses| refuses) {
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
        if self.policy.could_refuse_at_once(&exec) { LISTED_REFUSE } else { LISTED_HOLD }
    }

    /// What the rules say of the names that its arguments give a program of many names. One that was called by the link of an
    /// allowed name, or by a name that no rule means, could become another one by them.
    fn by_arguments(&self, key: FileKey, observed: &Observed, context: &Context<'_>) -> Option<Decision> {
        if !self.many_names.contains(&key) {
            return None;
        }
        let name = |argument: &Alleged| {
            let name = last_component(&argument.0);
            name.strip_prefix(b"-").unwrap_or(name).to_vec()
        };
        let names: Vec<Vec<u8>> = observed.facts.argv.iter().take(2).map(name).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let exec = Exec { names: &names, paths: &[] };
        self.policy.listed(&exec).then(|| self.policy.decide(&exec, context))
    }

    /// The paths by which the rules know a file.
    pub(crate) fn paths_of(&self, key: FileKey) -> Vec<Vec<u8>> {
        self.files.get(&key).cloned().unwrap_or_default()
    }

    fn decide(
        &self,
        key: FileKey,
        path: &[u8],
        names: &[Vec<u8>],
        context: &Context<'_>,
    ) -> Option<Decision> {
        let known = self.files.get(&key).map(Vec::as_slice).unwrap_or_default();
        let known = known.iter().map(Vec::as_slice);
        let paths: Vec<&[u8]> = known.clone().chain([path]).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).chain(known.map(last_component)).collect();
        let exec = Exec { names: &names, paths: &paths };
        self.policy.listed(&exec).then(|| self.policy.decide(&exec, context))
    }
}

fn stricter(one: Option<Decision>, other: Option<Decision>) -> Option<Decision> {
    match (one, other) {
        (Some(one), Some(other)) if other.action.strictness() > one.action.strictness() => Some(other),
        (one, other) => one.or(other),
    }
}

fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
