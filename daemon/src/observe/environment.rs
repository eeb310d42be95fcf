//! What a request shows of the environment.

use std::collections::{BTreeMap, HashSet};

use holdpoint_core::{alleged::Alleged, config::Config, escape::for_terminal, loader::is_loader_variable};

use super::ObserveError;

/// The part of an environment that people see, and what rules look at.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Names and values.
    pub(super) shown: BTreeMap<String, Alleged>,
    /// Those that decide which code the program runs, under the names that `shown` has.
    pub(super) marked: Vec<String>,
    /// The same, under their own names, each once.
    pub(super) loader_variables: Vec<Vec<u8>>,
    /// The names of those that are not shown, each once; none where they are too many to be kept.
    pub(super) others: Option<Vec<Alleged>>,
}

/// Variables of that kind in one environment. More is nothing that a person reads through, and no program's way of
/// working; such an exec is refused.
const MAX_LOADER_VARIABLES: usize = 64;

/// Names of other variables that are kept with a request, and their bytes together. Environments have some dozens; one with more is
/// recorded as not known.
const MAX_OTHER_NAMES: usize = 512;
const MAX_OTHERS: usize = 16 << 10;

/// Picks the variables that the configuration shows, and those that decide which code runs, which are shown in any case.
///
/// Where a name stands twice, the first counts, as in getenv(3), and the second is shown beside it: some programs take the
/// last.
///
/// # Errors
/// When there are more of the latter than a person would read.
pub(super) fn read(variables: &[Vec<u8>], config: &Config) -> Result<Environment, ObserveError> {
    let mut found = Environment { others: Some(Vec::new()), ..Environment::default() };
    let mut room = MAX_OTHERS;
    let mut seen: HashSet<&[u8]> = HashSet::new();
    for variable in variables {
        let mut halves = variable.splitn(2, |byte| *byte == b'=');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
        let loads = is_loader_variable(name);
        let is_shown = !config.hides(name) && (loads || config.shows(name));
        if !is_shown && seen.len() <= MAX_OTHER_NAMES && seen.insert(name) {
            note(name, &mut found.others, &mut room);
        }
        if !loads && !config.shows(name) {
            continue;
        }
        let key =
            unused(name, |key| found.shown.contains_key(key) || found.marked.iter().any(|one| one == key));
        if loads {
            found.marked.push(key.clone());
            if found.marked.len() > MAX_LOADER_VARIABLES {
                return Err(ObserveError::TooLong {
                    what: "the environment's loader variables",
                    limit: format!("{MAX_LOADER_VARIABLES} in number"),
                });
            }
            if !found.loader_variables.iter().any(|one| one == name) {
                found.loader_variables.push(name.to_vec());
            }
        }
        if !config.hides(name) {
            found.shown.insert(key, Alleged(value.to_vec()));
        }
    }
    Ok(found)
}

/// Keeps a name, while there is room.
fn note(name: &[u8], others: &mut Option<Vec<Alleged>>, room: &mut usize) {
    let Some(known) = others else { return };
    match room.checked_sub(name.len()) {
        Some(left) if known.len() < MAX_OTHER_NAMES => {
            *room = left;
            known.push(Alleged(name.to_vec()));
        }
        _ => *others = None,
    }
}

/// The name, and which one it is where it stands more than once.
fn unused(name: &[u8], is_used: impl Fn(&str) -> bool) -> String {
    let name = for_terminal(name);
    let mut key = name.clone();
    let mut count = 1;
    while is_used(&key) {
        count += 1;
        key = format!("{name} (again, {count})");
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(variables: &[&str]) -> Result<Environment, ObserveError> {
        let variables: Vec<Vec<u8>> = variables.iter().map(|text| text.as_bytes().to_vec()).collect();
        let mut config = Config::default();
        config.show.environment = vec!["PATH".to_owned()];
        read(&variables, &config)
    }

    #[test]
    fn what_decides_which_code_runs_is_shown_whatever_the_configuration_says() {
        let found = read_of(&[
            "PATH=/bin",
            "HOME=/",
            "LD_PRELOAD=/tmp/x\x1b",
            "PYTHONPATH=y",
            "LD_PRELOAD=z",
            "LD_AUDIT",
        ])
        .unwrap();
        let names: Vec<&str> = found.shown.keys().map(String::as_str).collect();
        assert_eq!(names, ["LD_PRELOAD", "LD_PRELOAD (again, 2)", "PATH", "PYTHONPATH"]);
        assert_eq!(found.marked, ["LD_PRELOAD", "PYTHONPATH", "LD_PRELOAD (again, 2)"]);
        assert_eq!(found.loader_variables, [b"LD_PRELOAD".to_vec(), b"PYTHONPATH".to_vec()]);
    }

    #[test]
    fn of_one_that_looks_like_a_secret_the_name_alone_is_shown() {
        let found = read_of(&["LD_SDK_KEY=secret", "AWS_SECRET_ACCESS_KEY=secret"]).unwrap();
        assert_eq!(found.marked, ["LD_SDK_KEY"]);
        assert!(found.shown.is_empty(), "{found:?}");
        assert_eq!(found.loader_variables.len(), 1);
    }

    #[test]
    fn of_the_others_the_names_are_kept_once_or_not_at_all() {
        let names = |found: Environment| {
            found.others.map(|names| names.into_iter().map(|name| name.0).collect::<Vec<_>>())
        };
        let found =
            read_of(&["PATH=/bin", "HOME=/", "HOME=/x", "A_TOKEN=t", "LD_PRELOAD=x", "none"]).unwrap();
        assert_eq!(names(found), Some(vec![b"HOME".to_vec(), b"A_TOKEN".to_vec()]));
        let many: Vec<String> = (0..=MAX_OTHER_NAMES).map(|number| format!("V{number}=x")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(read_of(&many[1..]).unwrap().others.is_some_and(|names| names.len() == MAX_OTHER_NAMES));
        assert!(read_of(&many).unwrap().others.is_none());
        let long = format!("{}=x", "L".repeat(MAX_OTHERS + 1));
        assert!(read_of(&[&long]).unwrap().others.is_none());
    }

    #[test]
    fn more_than_a_person_reads_is_refused() {
        let many: Vec<String> = (0..=MAX_LOADER_VARIABLES).map(|number| format!("LD_{number}=x")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(read_of(&many[1..]).is_ok());
        assert!(matches!(read_of(&many), Err(ObserveError::TooLong { .. })));
    }
}
