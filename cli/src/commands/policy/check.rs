//! `holdpoint policy check`.

use std::path::PathBuf;

use holdpoint_core::{diagnostic::Diagnostic, policy};
use serde::Serialize;

use super::{NO_RULES, Print, missing, read};
use crate::{failure::Failure, output, render};

/// What is wrong with the rules, and what is odd.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    /// How many files there are.
    pub(crate) files: usize,
    /// How many rules there are; none where errors keep them from being read.
    pub(crate) rules: Option<usize>,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    /// What parsing found.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Programs that are not on this host: warnings as well.
    pub(crate) missing: Vec<Diagnostic>,
}

pub(super) fn check(directories: &[PathBuf], host: bool, strict: bool, print: Print) -> Result<(), Failure> {
    let files = read::rules(directories)?;
    let findings = match policy::parse(&files) {
        Ok((policy, warnings)) => {
            let missing = if host { missing::programs(&policy) } else { Vec::new() };
            Findings::new(files.len(), Some(policy.rules().len()), warnings, missing)
        }
        Err(errors) => Findings::new(files.len(), None, errors, Vec::new()),
    };
    if print.json {
        output::json(&findings)?;
    } else {
        output::print(&render::policy::check::page(&findings, print.style))?;
    }
    findings.verdict(strict)
}

impl Findings {
    pub(crate) fn new(
        files: usize,
        rules: Option<usize>,
        diagnostics: Vec<Diagnostic>,
        missing: Vec<Diagnostic>,
    ) -> Self {
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let warnings = diagnostics.len() - errors + missing.len();
        Self { files, rules, errors, warnings, diagnostics, missing }
    }

    fn verdict(&self, strict: bool) -> Result<(), Failure> {
        match (self.rules, self.warnings) {
            (None, _) => Err(Failure::Data("the rules cannot be used: see the errors".to_owned())),
            (Some(0), _) => Err(Failure::No(NO_RULES.to_owned())),
            (Some(_), 0) => Ok(()),
            (Some(_), _) if strict => {
                Err(Failure::No("the rules have warnings, and --strict counts them as errors".to_owned()))
            }
            (Some(_), _) => Ok(()),
        }
    }
}
