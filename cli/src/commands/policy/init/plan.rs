//! What an installation of packs would write, and why it is refused. Nothing is read or written here.

use std::collections::BTreeSet;

use holdpoint_core::{
    diagnostic::Diagnostic,
    escape::for_terminal,
    policy::{self, SourceFile},
};
use thiserror::Error;

/// What a rule file's name ends with.
const SUFFIX: &str = ".toml";

/// Stands at the top of each installed file, unless its rules are to be enforced.
const OBSERVE: &str = "\
# These rules are only observed: what they decide is noted, and nothing is held or refused. To put them in force,
# remove the next line and run 'holdpoint reload'.
mode = \"observe\"

";

/// What an editor takes for a word to itself where it stands before everything else.
const DIRECTIVE: &str = "#:";

/// What becomes of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Observe,
    Enforce,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Files that are not there.
    pub(super) write: Vec<SourceFile>,
    /// Names of files that are there as they would be written.
    pub(super) unchanged: Vec<String>,
}

/// Why nothing is done.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("there is no pack '{}'; there are {known}", for_terminal(.pack.as_bytes()))]
    NoSuchPack { pack: String, known: String },
    #[error(
        "another '{}' is there, and no file is overwritten; {cure}",
        for_terminal(.name.as_bytes())
    )]
    Different { name: String, cure: &'static str },
    #[error("the rules that would be there then cannot be used\n{}", told(.0))]
    Unusable(Vec<Diagnostic>),
}

/// The name by which a pack is chosen.
pub(super) fn name_of(file: &SourceFile) -> &str {
    file.name.strip_suffix(SUFFIX).unwrap_or(&file.name)
}

/// Plans to lay the wanted ones of `packs` beside the files that are `there`.
///
/// # Errors
/// Where a pack does not exist, another file has its name, or all files together could not be used.
pub(super) fn plan(
    packs: &[SourceFile],
    there: &[SourceFile],
    wanted: &[String],
    mode: Mode,
) -> Result<Plan, Refusal> {
    let mut plan = Plan { write: Vec::new(), unchanged: Vec::new() };
    for pack in wanted.iter().collect::<BTreeSet<_>>() {
        let found = packs.iter().find(|file| name_of(file) == pack || file.name == *pack);
        let file = found.ok_or_else(|| no_such_pack(pack, packs))?;
        let new = SourceFile { name: file.name.clone(), text: with_mode(&file.text, mode) };
        match there.iter().find(|old| old.name == new.name) {
            Some(old) if old.text == new.text => plan.unchanged.push(new.name),
            Some(old) => return Err(different(file, old)),
            // Named twice, with and without its ending.
            None if plan.write.contains(&new) => {}
            None => plan.write.push(new),
        }
    }
    let mut all: Vec<SourceFile> = there.iter().chain(&plan.write).cloned().collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    policy::parse(&all).map_err(Refusal::Unusable)?;
    Ok(plan)
}

/// The line stands before the first key, since it would belong to a table after one.
fn with_mode(text: &str, mode: Mode) -> String {
    if mode == Mode::Enforce {
        return text.to_owned();
    }
    let directives = text.split_inclusive('\n').take_while(|line| line.starts_with(DIRECTIVE));
    let (head, rest) = text.split_at(directives.map(str::len).sum());
    format!("{head}{OBSERVE}{rest}")
}

fn no_such_pack(pack: &str, packs: &[SourceFile]) -> Refusal {
    let known: Vec<String> = packs.iter().map(|file| for_terminal(name_of(file).as_bytes())).collect();
    Refusal::NoSuchPack { pack: pack.to_owned(), known: known.join(", ") }
}

fn different(pack: &SourceFile, old: &SourceFile) -> Refusal {
    let cure = match [Mode::Observe, Mode::Enforce]
        .into_iter()
        .find(|mode| with_mode(&pack.text, *mode) == old.text)
    {
        Some(Mode::Observe) => {
            "it is this pack, observed: to put it in force, remove its line 'mode = \"observe\"'"
        }
        Some(Mode::Enforce) => {
            "it is this pack, enforced: to have it observed, write 'mode = \"observe\"' at its top"
        }
        None => "compare the two, and move yours away or leave the pack out",
    };
    Refusal::Different { name: old.name.clone(), cure }
}

fn told(errors: &[Diagnostic]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, rule: &str) -> SourceFile {
        let text =
            format!("# About {rule}.\n[[rule]]\nname = \"{rule}\"\nexec = [\"x\"]\naction = \"ask\"\n");
        SourceFile { name: name.to_owned(), text }
    }

    fn packs() -> Vec<SourceFile> {
        vec![file("a.toml", "a"), file("b.toml", "b")]
    }

    fn planned(there: &[SourceFile], wanted: &[&str]) -> Result<Plan, String> {
        let wanted: Vec<String> = wanted.iter().map(|pack| (*pack).to_owned()).collect();
        plan(&packs(), there, &wanted, Mode::Enforce).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_pack_is_written_as_it_is_where_its_rules_are_enforced() {
        let plan = planned(&[], &["b", "b.toml", "b"]).unwrap();
        assert_eq!(plan, Plan { write: vec![file("b.toml", "b")], unchanged: vec![] });
    }

    #[test]
    fn the_line_that_has_rules_observed_stands_before_all_keys_and_after_directives() {
        let text = with_mode("# About.\n[[rule]]\n", Mode::Observe);
        assert!(text.starts_with("# These rules are only observed"), "{text}");
        assert!(text.ends_with("\nmode = \"observe\"\n\n# About.\n[[rule]]\n"), "{text}");
        let text = with_mode("#:schema x.json\n[[rule]]\n", Mode::Observe);
        assert!(text.starts_with("#:schema x.json\n# These rules"), "{text}");
        assert!(text.ends_with("\nmode = \"observe\"\n\n[[rule]]\n"), "{text}");
        assert!(with_mode("", Mode::Observe).ends_with("\nmode = \"observe\"\n\n"));
    }

    #[test]
    fn what_is_there_already_is_left_and_what_differs_refuses_all() {
        let plan = planned(&[file("a.toml", "a")], &["a", "b"]).unwrap();
        assert_eq!(plan, Plan { write: vec![file("b.toml", "b")], unchanged: vec!["a.toml".to_owned()] });
        let refused = planned(&[file("b.toml", "mine")], &["a", "b"]).unwrap_err();
        assert_eq!(
            refused,
            "another 'b.toml' is there, and no file is overwritten; compare the two, and move yours away or leave \
             the pack out"
        );
    }

    #[test]
    fn the_same_pack_in_the_other_mode_says_which_line_to_change() {
        let [observed, enforced] = [Mode::Observe, Mode::Enforce].map(|mode| {
            let pack = file("a.toml", "a");
            SourceFile { text: with_mode(&pack.text, mode), ..pack }
        });
        for (there, mode, cure) in
            [(observed, Mode::Enforce, "remove its line"), (enforced, Mode::Observe, "write '")]
        {
            let refused = plan(&packs(), &[there], &["a".to_owned()], mode).unwrap_err().to_string();
            assert!(refused.contains(cure), "{refused}");
        }
    }

    #[test]
    fn a_pack_that_does_not_exist_is_told_with_those_that_do() {
        assert_eq!(planned(&[], &["a", "c\x1b"]).unwrap_err(), "there is no pack 'c\\x1b'; there are a, b");
    }

    #[test]
    fn what_could_not_be_used_together_is_refused() {
        let refused = planned(&[file("10-mine.toml", "a")], &["a"]).unwrap_err();
        assert!(refused.starts_with("the rules that would be there then cannot be used\n"), "{refused}");
        assert!(
            refused.contains("two rules have the name 'a': at 10-mine.toml:3:8 and at a.toml:3:8"),
            "{refused}"
        );
    }
}
