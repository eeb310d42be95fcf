//! cargo-deb, which makes the Debian package.

use std::path::PathBuf;

use super::tool;

const VERSION: &str = "3.8.0";

/// Finds cargo-deb in the cache, or builds it there, and returns its path.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    tool::find("cargo-deb", VERSION)
}
