//! Takes the daemon's programs off their hooks and puts them back, many times and quickly.
//!
//! What is measured has to be what the daemon has loaded, with the offsets that it found and the lists that it filled,
//! and not something like it that the bench loads by itself. The daemon pins its links; a link knows its program; and
//! the kernel attaches an LSM or BTF tracepoint program again to the hook that it was loaded for. So the bench opens
//! the pinned links, keeps the programs, removes the pins, and from then on makes and drops links of its own. Maps and
//! tags stay pinned all the while. The daemon has to be stopped meanwhile: it would miss its pins, and has no part in
//! execs that no rule lists. (A link of these kinds cannot be detached in place by `BPF_LINK_DETACH`, and
//! `holdpointd --take-down` would unload everything and take the tags off.)

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, bail};
use aya::programs::{
    BtfTracePoint, Lsm,
    links::{FdLink, PinnedLink},
    loaded_links, loaded_programs,
};

/// Where the daemon pins its maps and, in a directory named after the object, its links.
const PINS: &str = "/sys/fs/bpf/holdpoint";
/// Runs over all tasks when the daemon has it do so, and at no other time: it is in nobody's way.
const ITERATOR: &str = "holdpoint_iter_task";

/// The daemon's programs.
pub(crate) struct Gate {
    programs: Vec<Program>,
    links: Vec<FdLink>,
}

/// The name that it is pinned by, since the kernel keeps only 15 bytes of it, and the program.
struct Program(String, Kind);

enum Kind {
    Lsm(Lsm),
    Tracepoint(BtfTracePoint),
}

/// How often a program ran, and how many instructions it took.
pub(crate) struct Runs {
    pub(crate) program: String,
    pub(crate) count: u64,
    pub(crate) instructions: u64,
}

impl Gate {
    /// Takes the programs over from their pins. They are detached when this returns.
    pub(crate) fn take_over() -> anyhow::Result<Self> {
        let mut programs = Vec::new();
        let mut links = Vec::new();
        for path in pins()? {
            let link = open(&path).with_context(|| format!("take over {}", path.display()))?;
            let kind = program_of(&link).with_context(|| format!("take over {}", path.display()))?;
            let name = path.file_name().unwrap_or_default().display().to_string();
            programs.push(Program(name, kind));
            links.push(link.info()?.id());
        }
        programs.sort_by(|one, other| one.0.cmp(&other.0));
        if programs.is_empty() {
            bail!("take over the programs: nothing is pinned under {PINS}");
        }
        // The kernel lets go of a link that is not pinned any more a little later.
        while loaded_links().flatten().any(|link| links.contains(&link.id())) {
            thread::yield_now();
        }
        Ok(Self { programs, links: Vec::new() })
    }

    /// Attaches all programs, unless they are.
    pub(crate) fn attach(&mut self) -> anyhow::Result<()> {
        if !self.links.is_empty() {
            return Ok(());
        }
        for Program(_, kind) in &mut self.programs {
            let link = match kind {
                Kind::Lsm(it) => it.attach().and_then(|id| it.take_link(id)).map(FdLink::from),
                Kind::Tracepoint(it) => it.attach().and_then(|id| it.take_link(id)).map(FdLink::from),
            };
            self.links.push(link.context("attach a program again")?);
        }
        Ok(())
    }

    /// What each program has run since the kernel began to count it.
    pub(crate) fn runs(&self) -> anyhow::Result<Vec<Runs>> {
        let mut all = Vec::new();
        for Program(name, kind) in &self.programs {
            let info = match kind {
                Kind::Lsm(it) => it.info(),
                Kind::Tracepoint(it) => it.info(),
            };
            let info = info.with_context(|| format!("ask for the runs of {name}"))?;
            let instructions = u64::try_from(info.run_time().as_nanos())?;
            all.push(Runs { program: name.clone(), count: info.run_count(), instructions });
        }
        Ok(all)
    }

    /// Detaches all programs. The kernel does so before the last descriptor of a link is closed.
    pub(crate) fn detach(&mut self) {
        self.links.clear();
    }
}

/// The pins of all links that are attached to something.
fn pins() -> anyhow::Result<Vec<PathBuf>> {
    let list = |directory: &Path| -> anyhow::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    };
    let named = |path: &PathBuf, start: &str| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
    };
    let mut links = Vec::new();
    for directory in list(Path::new(PINS))?.into_iter().filter(|path| named(path, "links-")) {
        links.extend(list(&directory)?.into_iter().filter(|path| !named(path, ITERATOR)));
    }
    Ok(links)
}

fn open(path: &Path) -> anyhow::Result<FdLink> {
    Ok(PinnedLink::from_pin(path)?.unpin()?)
}

fn program_of(link: &FdLink) -> anyhow::Result<Kind> {
    let id = link.info()?.program_id();
    let mut all = loaded_programs().flatten();
    let info = all.find(|program| program.id() == id).context("its program is not loaded")?;
    let name = info.name_as_str().unwrap_or_default().to_owned().into();
    if info.program_type() == Lsm::PROGRAM_TYPE.into() {
        return Ok(Kind::Lsm(Lsm::from_program_info(info, name)?));
    }
    // SAFETY: whether it is a tracing program is checked in there. Which kind of one does not matter: all that is done
    // with it is to attach it where it was loaded for, and that is one and the same system call for all of them.
    let program = unsafe { BtfTracePoint::from_program_info(info, name) };
    Ok(Kind::Tracepoint(program?))
}
