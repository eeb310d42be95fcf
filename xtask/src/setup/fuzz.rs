//! cargo-fuzz, which builds and runs the fuzz targets.

use std::path::PathBuf;

use super::tool;

const VERSION: &str = "0.13.2";

/// Finds cargo-fuzz in the cache, or builds it there, and returns its path.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    tool::find("cargo-fuzz", VERSION)
}
