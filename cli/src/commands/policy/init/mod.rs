//! `holdpoint policy init`.

mod plan;
mod write;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    slice,
};

use holdpoint_core::{
    escape::for_terminal,
    policy::{self, SourceFile},
};
use serde::Serialize;

use self::plan::{Mode, Plan};
use super::{Print, read};
use crate::{args::POLICIES, failure::Failure, output, render};

/// The packs that can be installed.
#[derive(Debug, Serialize)]
pub(crate) struct Packs {
    pub(crate) packs: Vec<Pack>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct Pack {
    pub(crate) name: String,
    /// The first paragraph of the comment at its top.
    pub(crate) about: Option<String>,
    /// How many rules it has.
    pub(crate) rules: usize,
    /// The programs that it names, each once.
    pub(crate) exec: Vec<String>,
}

/// What was done.
#[derive(Debug, Serialize)]
pub(crate) struct Installed {
    /// The paths of the files that were written.
    pub(crate) installed: Vec<String>,
    /// Those that were there already, as they would have been written.
    pub(crate) unchanged: Vec<String>,
    /// Whether their rules are only observed.
    pub(crate) observe: bool,
    /// The directory, where it is not the one that the daemon reads by default.
    #[serde(skip)]
    pub(crate) elsewhere: Option<String>,
}

pub(super) fn init(
    directory: &Path,
    from: &PathBuf,
    wanted: &[String],
    enforce: bool,
    print: Print,
) -> Result<(), Failure> {
    let packs = read::rules(slice::from_ref(from))?;
    if packs.is_empty() {
        let shown = shown(from);
        return Err(Failure::Data(format!(
            "there are no packs in '{shown}': name a directory with rule files by --from"
        )));
    }
    if wanted.is_empty() {
        let list = Packs { packs: listed(&packs)? };
        if print.json {
            return output::json(&list);
        }
        return output::print(&render::policy::init::packs(&list.packs, print.style));
    }
    let mode = if enforce { Mode::Enforce } else { Mode::Observe };
    let there = read::rules(&[directory.to_owned()])?;
    let refused = |why: String, failure: fn(String) -> Failure| {
        failure(format!("cannot install into '{}', and nothing was changed: {why}", shown(directory)))
    };
    let Plan { write, unchanged } = plan::plan(&packs, &there, wanted, mode)
        .map_err(|refusal| refused(refusal.to_string(), Failure::Data))?;
    write::all(directory, &write).map_err(|error| match error.cause.kind() {
        io::ErrorKind::PermissionDenied => refused(format!("{error}; try it as root"), Failure::NotPermitted),
        _ => refused(error.to_string(), Failure::Data),
    })?;
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let installed = Installed {
        installed: write.iter().map(|file| path(&file.name)).collect(),
        unchanged: unchanged.iter().map(|name| path(name)).collect(),
        observe: mode == Mode::Observe,
        elsewhere: (directory != Path::new(POLICIES)).then(|| directory.to_string_lossy().into_owned()),
    };
    if print.json {
        return output::json(&installed);
    }
    output::print(&render::policy::init::installed(&installed, print.style))
}

/// They are read together: one may speak of what another has.
fn listed(packs: &[SourceFile]) -> Result<Vec<Pack>, Failure> {
    let (policy, _) = policy::parse(packs).map_err(|errors| read::wrong("the packs", &errors))?;
    let listed = packs.iter().map(|file| {
        let rules = || policy.rules().iter().filter(|rule| rule.place.file == file.name);
        let mut seen = BTreeSet::new();
        let patterns = rules().flat_map(|rule| &rule.exec).map(|pattern| &pattern.text);
        Pack {
            name: plan::name_of(file).to_owned(),
            about: about(&file.text),
            rules: rules().count(),
            exec: patterns.filter(|text| seen.insert(*text)).cloned().collect(),
        }
    });
    Ok(listed.collect())
}

/// The first paragraph of the comment with which a file begins.
fn about(text: &str) -> Option<String> {
    let comments = text.lines().skip_while(|line| line.starts_with("#:") || line.trim().is_empty());
    let lines =
        comments.map_while(|line| line.strip_prefix('#').map(str::trim).filter(|line| !line.is_empty()));
    let lines: Vec<&str> = lines.collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}

fn shown(path: &Path) -> String {
    for_terminal(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_about_what_the_first_paragraph_of_its_comment_says() {
        for (text, said) in [
            ("#:schema x\n\n# One\n#   two.\n#\n# Three.\n[sets]\n", Some("One two.")),
            ("# One.\n\n# Two.\n", Some("One.")),
            ("[sets]\n# One.\n", None),
            ("", None),
        ] {
            assert_eq!(about(text).as_deref(), said, "{text}");
        }
    }
}
