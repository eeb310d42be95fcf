//! Which environment variables a request shows.

use std::collections::{BTreeMap, HashMap};

use crate::{alleged::Alleged, escape};

/// The most names and globs in `show.environment`. More are an error.
pub const MAX_SHOWN: usize = 256;

/// What is shown where the configuration says nothing: what says which programs run, and which cluster, account or
/// database is meant. Variables that decide which code a program runs ([`crate::loader`]) are shown in any case.
pub const DEFAULT_ENVIRONMENT: &[&str] = &[
    // What runs.
    "PATH",
    "ENV",
    "EDITOR",
    "PAGER",
    // Where it acts.
    "KUBECONFIG",
    "HELM_NAMESPACE",
    "HELM_KUBECONTEXT",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_ENDPOINT_URL",
    "GOOGLE_CLOUD_PROJECT",
    "CLOUDSDK_ACTIVE_CONFIG_NAME",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_CONFIG",
    "AZURE_CONFIG_DIR",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_TENANT_ID",
    "AZURE_DEFAULTS_GROUP",
    "TF_WORKSPACE",
    "TF_CLI_ARGS*",
    "PGHOST",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGSERVICE",
    "MYSQL_HOST",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "CONTAINER_HOST",
    // For whom.
    "USER",
    "HOME",
    "SUDO_USER",
    "SSH_CONNECTION",
];

/// Names that look like a secret. They win over everything, in upper and lower case.
pub const NEVER_SHOWN: &[&str] = &[
    "*TOKEN*",
    "*SECRET*",
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*PASSCODE*",
    "*_PASS",
    "*_PASS_*",
    "*_PWD",
    "*PGPASS*",
    "*KEY*",
    "*CREDENTIAL*",
    "*PRIVATE*",
    "*COOKIE*",
    "*BEARER*",
    "*AUTHORIZATION*",
    "*JWT*",
    "*_PAT",
    "*WEBHOOK*",
    "*DSN*",
    "*DATABASE_URL*",
    "*_DB_URL",
    "*CONNECTION_STRING*",
    "*CONNSTR*",
];

/// The variables that requests show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// Names, and globs in which `*` stands for anything.
    pub environment: Vec<String>,
}

impl Show {
    /// Whether a request shows this variable.
    #[must_use]
    pub fn shows(&self, variable: &[u8]) -> bool {
        !is_never_shown(variable) && self.environment.iter().any(|glob| matches(glob.as_bytes(), variable))
    }

    /// Those of an environment that are shown. Where a name stands twice, the first counts, as in getenv(3), and the
    /// second is shown beside it: some programs take the last.
    #[must_use]
    pub fn shown(&self, environment: &[Vec<u8>]) -> BTreeMap<String, Alleged> {
        let mut shown = BTreeMap::new();
        // An agent may give one name to all of its variables: where to go on counting is kept for each.
        let mut counts: HashMap<String, usize> = HashMap::new();
        for entry in environment {
            let mut halves = entry.splitn(2, |byte| *byte == b'=');
            let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
            if !self.shows(name) {
                continue;
            }
            let name = escape::for_terminal(name);
            let mut key = name.clone();
            while shown.contains_key(&key) {
                let count = counts.entry(name.clone()).or_insert(1);
                *count += 1;
                key = format!("{name} (again, {count})");
            }
            shown.insert(key, Alleged(value.to_vec()));
        }
        shown
    }
}

impl Default for Show {
    fn default() -> Self {
        Self { environment: DEFAULT_ENVIRONMENT.iter().map(|&name| name.to_owned()).collect() }
    }
}

/// Whether the name looks like a secret.
pub(super) fn is_never_shown(variable: &[u8]) -> bool {
    let variable = variable.to_ascii_uppercase();
    NEVER_SHOWN.iter().any(|glob| matches(glob.as_bytes(), &variable))
}

/// Whether the whole text fits a pattern in which `*` stands for anything.
///
/// The first and the last part are anchored; of the others, the leftmost place is as good as any.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    let mut parts = glob.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_shown_twice_and_a_value_may_have_anything() {
        let environment = ["PATH=/bin", "HIDDEN=x", "PATH=/tmp", "PATH", "USER=a=b"];
        let environment = environment.map(|entry| entry.as_bytes().to_vec());
        let shown = Show::default().shown(&environment);
        let shown: Vec<(&str, &str)> =
            shown.iter().map(|(name, value)| (name.as_str(), value.text().unwrap())).collect();
        assert_eq!(shown, [("PATH", "/bin"), ("PATH (again, 2)", "/tmp"), ("USER", "a=b")]);
    }

    /// As many as a held exec can have. With a search from the start for each this took minutes.
    #[test]
    fn one_name_for_all_variables_takes_no_longer_than_many() {
        let environment = vec![b"PATH=x".to_vec(); 16_384];
        assert_eq!(Show::default().shown(&environment).len(), 16_384);
    }
}
