//! Reads `policies.d/*.toml`, in the order of the file names.

use std::{fs, io, path::Path};

use holdpoint_core::policy::SourceFile;

use super::RulesError;

/// The files with rules. A directory that is not there has none.
pub(super) fn read(directory: &Path) -> Result<Vec<SourceFile>, RulesError> {
    let failed = |path: &Path, cause: &io::Error| RulesError::Read {
        path: path.display().to_string(),
        cause: cause.to_string(),
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(directory, &cause)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|cause| failed(directory, &cause))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).map_err(|cause| failed(path, &cause))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(SourceFile { name, text })
        })
        .collect()
}
