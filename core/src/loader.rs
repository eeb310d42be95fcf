//! Environment variables that decide which code a program runs.
//!
//! Two kinds. Those of the dynamic loader (ld.so(8)) act on nearly every program, whatever it is: a library that
//! `LD_PRELOAD` names is the program, to all intents. The others act on programs of one language or library.

use serde::{Deserialize, Serialize};

/// What a rule says of an exec whose environment has such variables. In the order of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoaderVariables {
    /// They are shown, and people decide.
    Show,
    /// Those of the dynamic loader are refused, the others shown.
    #[default]
    RefuseLd,
    /// All that is known is refused.
    RefuseAll,
}

/// The dynamic loader's. glibc and musl look at whatever begins with `LD_`; `GLIBC_TUNABLES` is read by the same code
/// before the program begins (<https://sourceware.org/glibc/manual/2.41/html_node/Tunables.html>).
pub const OF_THE_LOADER: &[&str] = &["LD_*", "GLIBC_TUNABLES"];

/// Those of languages and libraries: what they name is loaded, or executed as code, in the process of the program itself.
///
/// Not in it: what names another program to execute (`PATH`, `PAGER`, `EDITOR`, `GIT_SSH`), whose exec is looked at as
/// any other.
pub const OF_LANGUAGES: &[&str] = &[
    // glibc's iconv, OpenSSL's engines and providers, and what Kerberos, GLib and Qt load.
    "GCONV_PATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "KRB5_CONFIG",
    "GIO_EXTRA_MODULES",
    "GIO_MODULE_DIR",
    "QT_PLUGIN_PATH",
    // Shells.
    "BASH_ENV",
    "BASH_FUNC_*",
    "BASHOPTS",
    "SHELLOPTS",
    "PS4",
    "ZDOTDIR",
    "FPATH",
    // Python.
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONPLATLIBDIR",
    "PYTHONWARNINGS",
    "PYTHONBREAKPOINT",
    "PYTHONEXECUTABLE",
    // Perl.
    "PERL5LIB",
    "PERLLIB",
    "PERL5OPT",
    "PERL5DB",
    // Ruby.
    "RUBYOPT",
    "RUBYLIB",
    "GEM_HOME",
    "GEM_PATH",
    "BUNDLE_GEMFILE",
    // Node.
    "NODE_OPTIONS",
    "NODE_PATH",
    // Java.
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    // Others.
    "LUA_INIT*",
    "LUA_PATH*",
    "LUA_CPATH*",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "R_PROFILE*",
    "R_ENVIRON*",
    "DOTNET_STARTUP_HOOKS",
    "DOTNET_ADDITIONAL_DEPS",
    "CORECLR_PROFILER*",
    "ERL_FLAGS",
    "ERL_AFLAGS",
    "ERL_ZFLAGS",
    "ERL_LIBS",
];

impl LoaderVariables {
    /// Whether an exec with this variable is refused.
    #[must_use]
    pub fn refuses(self, variable: &[u8]) -> bool {
        match self {
            Self::Show => false,
            Self::RefuseLd => is_of_the_loader(variable),
            Self::RefuseAll => is_loader_variable(variable),
        }
    }
}

/// Whether the variable decides which code a program runs.
#[must_use]
pub fn is_loader_variable(variable: &[u8]) -> bool {
    is_of_the_loader(variable) || is_in(OF_LANGUAGES, variable)
}

fn is_of_the_loader(variable: &[u8]) -> bool {
    is_in(OF_THE_LOADER, variable)
}

fn is_in(names: &[&str], variable: &[u8]) -> bool {
    names.iter().any(|name| match name.strip_suffix('*') {
        Some(beginning) => variable.starts_with(beginning.as_bytes()),
        None => variable == name.as_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_are_refused_by_default_and_others_where_a_rule_says_so() {
        for name in ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "LD_", "GLIBC_TUNABLES"] {
            assert!(LoaderVariables::default().refuses(name.as_bytes()), "{name}");
            assert!(LoaderVariables::RefuseAll.refuses(name.as_bytes()), "{name}");
            assert!(!LoaderVariables::Show.refuses(name.as_bytes()), "{name}");
            assert!(is_loader_variable(name.as_bytes()), "{name}");
        }
        for name in
            ["GCONV_PATH", "PYTHONPATH", "NODE_OPTIONS", "BASH_ENV", "PERL5LIB", "RUBYOPT", "BASH_FUNC_ls%%"]
        {
            assert!(is_loader_variable(name.as_bytes()), "{name}");
            assert!(!LoaderVariables::default().refuses(name.as_bytes()), "{name}");
            assert!(LoaderVariables::RefuseAll.refuses(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for name in
            ["", "LD", "ld_preload", "XLD_PRELOAD", "GLIBC_TUNABLES2", "PYTHONUNBUFFERED", "PATH", "HOME"]
        {
            assert!(!is_loader_variable(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn stricter_is_greater() {
        assert!(LoaderVariables::Show < LoaderVariables::RefuseLd);
        assert!(LoaderVariables::RefuseLd < LoaderVariables::RefuseAll);
    }

    #[test]
    fn the_documentation_lists_them_all() {
        let documentation = include_str!("../../docs/policy.md");
        for name in OF_THE_LOADER.iter().chain(OF_LANGUAGES) {
            assert!(documentation.contains(&format!("`{name}`")), "docs/policy.md does not name {name}");
        }
    }
}
