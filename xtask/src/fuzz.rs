//! `cargo xtask fuzz`: libFuzzer on the functions of tests/fuzz.
//!
//! With the project's own compiler: cargo-fuzz without a sanitizer needs no other. What is fuzzed has no unsafe code, where
//! a sanitizer would look; overflows and debug assertions are checked all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::cache;
use crate::command;
use crate::options::FuzzOptions;
use crate::setup;

/// The longest input, in bytes: some more than a page, and no file of the corpora is longer.
const LONGEST: u32 = 4_200;

/// One input may take so many seconds. A longer one counts as a failure.
const INPUT_LIMIT: u32 = 10;

/// Files that are chosen for the repository, of each target.
const CHOSEN: usize = 60;

/// Megabytes of memory.
const MEMORY_LIMIT: u32 = 1_024;

/// Fuzzes one target, or all in turn, and says which failed.
pub(crate) fn run(options: &FuzzOptions) -> anyhow::Result<ExitCode> {
    let fuzzer = Fuzzer::find()?;
    let mut failed = Vec::new();
    for target in fuzzer.targets(options.target.as_deref())? {
        let good = fuzzer.fuzz(&target, options.seconds)?;
        if good && options.keep {
            fuzzer.keep(&target)?;
        }
        if !good {
            failed.push(target);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask: fuzz failed: {}; the inputs are in tests/fuzz/artifacts", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// cargo-fuzz, and where the targets lie.
pub(crate) struct Fuzzer {
    program: PathBuf,
    directory: PathBuf,
}

impl Fuzzer {
    /// Installs what is missing.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let program = setup::cargo_fuzz()?;
        Ok(Self { program, directory: cache::repository()?.join("tests/fuzz") })
    }

    /// The names of all targets, or the one that is asked for.
    pub(crate) fn targets(&self, only: Option<&str>) -> anyhow::Result<Vec<String>> {
        let places = fs::read_dir(self.directory.join("fuzz_targets")).context("list the fuzz targets")?;
        let names = places.flatten().filter_map(|place| Some(place.path().file_stem()?.to_str()?.to_owned()));
        let mut names: Vec<String> = names.collect();
        names.sort();
        match only {
            None => Ok(names),
            Some(one) if names.iter().any(|name| name == one) => Ok(vec![one.to_owned()]),
            Some(one) => bail!("find the fuzz target '{one}': there are {}", names.join(", ")),
        }
    }

    /// Fuzzes a target for so many seconds, beginning with what was found before. False when it failed.
    pub(crate) fn fuzz(&self, target: &str, seconds: u64) -> anyhow::Result<bool> {
        println!("fuzz: {target} for {seconds} s");
        let found = self.found(target);
        cache::create_dir(&found)?;
        let mut command = self.libfuzzer(target, &[&found, &self.corpus(target)]);
        command.args([format!("-max_total_time={seconds}"), format!("-timeout={INPUT_LIMIT}")]);
        command.args([format!("-rss_limit_mb={MEMORY_LIMIT}"), String::from("-print_final_stats=1")]);
        Ok(command::status(&mut command)?.success())
    }

    /// Chooses anew what of all that was found is in the repository: a few files that reach the most code between them. What
    /// somebody gave a name stays.
    fn keep(&self, target: &str) -> anyhow::Result<()> {
        let (corpus, found) = (self.corpus(target), self.found(target));
        let (merged, control) = (found.with_extension("merged"), found.with_extension("control"));
        cache::discard(&merged);
        cache::discard(&control);
        cache::create_dir(&merged)?;
        let mut command = self.libfuzzer(target, &[&merged, &corpus, &found]);
        // How often code is reached does not count: that would be thousands of files.
        command.args(["-merge=1", "-use_counters=0"]);
        command.arg(format!("-merge_control_file={}", control.display()));
        command::run(&mut command).context("see what the files reach")?;
        let text = fs::read_to_string(&control).with_context(|| format!("read {}", control.display()))?;
        let chosen: Vec<PathBuf> = chosen(&text).into_iter().map(PathBuf::from).collect();
        for old in fs::read_dir(&corpus).context("list the corpus")?.flatten() {
            let is_kept = chosen.contains(&old.path()) || !is_hash(&old.file_name().to_string_lossy());
            if !is_kept {
                cache::discard(&old.path());
            }
        }
        for new in chosen.iter().filter(|path| path.starts_with(&found)) {
            let name = new.file_name().context("name what was found")?;
            fs::copy(new, corpus.join(name)).with_context(|| format!("keep {}", new.display()))?;
        }
        cache::discard(&merged);
        cache::discard(&control);
        Ok(())
    }

    fn libfuzzer(&self, target: &str, directories: &[&Path]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["fuzz", "run", "--sanitizer=none", "--fuzz-dir"]).arg(&self.directory).arg(target);
        command.args(directories).args(["--", &format!("-max_len={LONGEST}")]);
        command.env_remove("CARGO_TARGET_DIR");
        command
    }

    fn corpus(&self, target: &str) -> PathBuf {
        self.directory.join("corpus").join(target)
    }

    /// What was found and is not in the repository.
    fn found(&self, target: &str) -> PathBuf {
        self.directory.join("found").join(target)
    }
}

/// The files that reach the most code which those before them do not, by libFuzzer's own account of a merge: the number of
/// files and of those of the first directory, the names, and then lines of which `FT N …` names what the Nth file reaches
/// anew.
fn chosen(account: &str) -> Vec<&str> {
    let mut lines = account.lines();
    let count: usize = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    let names: Vec<&str> = lines.by_ref().skip(1).take(count).collect();
    let reached = |line: &str| {
        let mut words = line.strip_prefix("FT ")?.split(' ');
        Some((words.next()?.parse::<usize>().ok()?, words.count()))
    };
    let mut files: Vec<(usize, usize)> =
        lines.filter_map(reached).filter(|(_, reached)| *reached > 0).collect();
    files.sort_by_key(|(_, reached)| std::cmp::Reverse(*reached));
    files.iter().take(CHOSEN).filter_map(|(index, _)| names.get(*index).copied()).collect()
}

/// Whether libFuzzer named the file, by the hash of what is in it.
fn is_hash(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_reach_most_are_chosen_and_those_that_reach_nothing_new_are_not() {
        let account = "3\n1\ncorpus/a\nfound/b\nfound/c\nSTARTED 0 1\nFT 0 7\nCOV 0 7\nSTARTED 1 1\nFT 1\nCOV 1\n\
                       STARTED 2 1\nFT 2 8 9\nCOV 2 8\n";
        assert_eq!(chosen(account), ["found/c", "corpus/a"]);
    }

    #[test]
    fn a_name_that_somebody_gave_is_no_hash() {
        assert!(
            is_hash("5ba93c9db0cff93f52b521d7420e43f6eda2784f")
                && !is_hash("stat")
                && !is_hash(&"x".repeat(40))
        );
    }
}
