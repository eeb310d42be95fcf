//! What rules of all files share about programs: which options they take, and which resources they are about.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use super::command::Grammar;

/// All `[[command]]`s and `[[resource]]`s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tools {
    /// By program.
    pub(super) grammars: HashMap<String, Grammar>,
    /// By name, and by each program.
    pub(super) resources: HashMap<String, HashMap<String, Arc<Resource>>>,
}

/// What tells a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// The programs, by name.
    pub exec: Vec<String>,
    /// Options, by any of these names: their value comes first.
    pub flags: Vec<String>,
    /// Then the first of these variables that is there.
    pub env: Vec<String>,
    /// Then this.
    pub default: Option<String>,
}

/// Of a program that no `[[command]]` names: every option is unknown.
static UNKNOWN: LazyLock<Grammar> = LazyLock::new(Grammar::default);

impl Tools {
    pub(super) fn grammar(&self, program: &[u8]) -> &Grammar {
        std::str::from_utf8(program).ok().and_then(|name| self.grammars.get(name)).unwrap_or(&UNKNOWN)
    }

    /// None where nothing tells the resource of this program.
    pub(super) fn resource(&self, resource: &str, program: &[u8]) -> Option<&Resource> {
        let program = std::str::from_utf8(program).ok()?;
        self.resources.get(resource)?.get(program).map(Arc::as_ref)
    }
}
