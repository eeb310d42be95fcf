//! Reads the configuration file: at the start, and again at each reload.
#![forbid(unsafe_code)]

use std::{fs, io, path::Path};

use holdpoint_core::{
    config::{self, Config},
    diagnostic::{Diagnostic, Severity},
    policy::SourceFile,
};
use thiserror::Error;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub(crate) enum ConfigurationError {
    #[error("cannot read '{path}': {cause}")]
    Read { path: String, cause: io::Error },
    #[error("the configuration is wrong\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Wrong(Vec<Diagnostic>),
}

/// What the file says, and what is odd in it. One that is not there is as good as an empty one.
///
/// # Errors
/// When it cannot be read, or anything in it is wrong.
pub(crate) fn read(path: &Path) -> Result<(Config, Vec<Diagnostic>), ConfigurationError> {
    let name = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok((Config::default(), Vec::new())),
        Err(cause) => return Err(ConfigurationError::Read { path: name, cause }),
    };
    config::parse(&SourceFile { name, text }).map_err(ConfigurationError::Wrong)
}

/// The same while a daemon runs: what can change is as the file says, the rest as in force, and what needs a restart is
/// told.
///
/// # Errors
/// As [`read`]. What is in force stays so.
pub(crate) fn read_again(
    path: &Path,
    in_force: &Config,
) -> Result<(Config, Vec<Diagnostic>), ConfigurationError> {
    let (read, mut warnings) = read(path)?;
    let name = path.display().to_string();
    let told = |message: String| Diagnostic::of_file(Severity::Warning, &name, message);
    // Where it has just been removed or renamed, nobody may have meant that there are no agents any more.
    if !in_force.agents.is_empty() && !path.exists() {
        let message = "the file is not there: every key has its default, and no agents are declared";
        warnings.push(told(message.to_owned()));
    }
    let (config, keys) = in_force.reloaded(read);
    if !keys.is_empty() {
        let keys = keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
        let message = format!("needs a restart: {keys}; until then what was there before stays in force");
        warnings.push(told(message).with_hint("run 'systemctl restart holdpointd': what is held stays held"));
    }
    Ok((config, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_says_what_needs_a_restart_and_that_the_file_has_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let agent = "[[agent]]\nname = \"ci\"\nuser = \"agent\"\n";
        fs::write(&path, agent).unwrap();
        let (in_force, _) = read(&path).unwrap();
        fs::write(&path, format!("approver_group = \"adm\"\nbpf_object = \"/b\"\n{agent}")).unwrap();
        let (config, warnings) = read_again(&path, &in_force).unwrap();
        assert_eq!(config.approver_group, in_force.approver_group);
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert!(told[0].contains("needs a restart: 'approver_group', 'bpf_object'"), "{told:?}");
        fs::remove_file(&path).unwrap();
        let (config, warnings) = read_again(&path, &in_force).unwrap();
        assert!(config.agents.is_empty() && warnings[0].to_string().contains("the file is not there"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, "\n[[agent]]\nname = \"ci\"\nusers = \"agent\"\n").unwrap();
        let told = read_again(&path, &Config::default()).unwrap_err().to_string();
        assert!(told.contains(&format!("{}:4:1", path.display())), "{told}");
    }
}
