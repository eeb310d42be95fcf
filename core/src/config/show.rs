//! Which environment variables a request shows.

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
