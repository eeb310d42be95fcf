//! Loads the programs, or adopts those that a daemon before this one has pinned.

use std::{
    collections::HashMap,
    fs, io,
    ops::{Bound, RangeBounds as _},
    path::{Path, PathBuf},
    thread,
};

use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{
        BtfTracePoint, Iter, Lsm, Program,
        links::{FdLink, LinkError},
    },
};
use holdpoint_abi::{ABI_VERSION, MAX_TASKS, Meta, Offsets, StandingOffsets};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::info;

use super::{
    adopt::{Found, Pins},
    btf::{self, BtfError},
    maps::{Gate, MAPS},
};
#[cfg(feature = "failpoints")]
use crate::failpoint;
use crate::{preflight, sys::pod::Shared};

/// The hooks, in the order in which the kernel calls them, with the kind of each.
const PROGRAMS: [(&str, Hook); 37] = [
    ("holdpoint_task_alloc", Hook::Lsm("task_alloc")),
    ("holdpoint_process_fork", Hook::Tracepoint("sched_process_fork")),
    ("holdpoint_bprm_check", Hook::Lsm("bprm_check_security")),
    ("holdpoint_bprm_committed", Hook::Lsm("bprm_committed_creds")),
    ("holdpoint_signal_generate", Hook::Tracepoint("signal_generate")),
    ("holdpoint_process_exit", Hook::Tracepoint("sched_process_exit")),
    ("holdpoint_task_free", Hook::Lsm("task_free")),
    ("holdpoint_unix_connect", Hook::Lsm("unix_stream_connect")),
    ("holdpoint_file_open", Hook::Lsm("file_open")),
    ("holdpoint_inode_link", Hook::Lsm("inode_link")),
    ("holdpoint_inode_rename", Hook::Lsm("inode_rename")),
    ("holdpoint_inode_unlink", Hook::Lsm("inode_unlink")),
    ("holdpoint_inode_setattr", Hook::LsmIn("inode_setattr", since((6, 9)))),
    ("holdpoint_inode_setattr_6_1", Hook::LsmIn("inode_setattr", before((6, 9)))),
    ("holdpoint_inode_setxattr", Hook::Lsm("inode_setxattr")),
    ("holdpoint_inode_removexattr", Hook::Lsm("inode_removexattr")),
    ("holdpoint_inode_set_acl", Hook::LsmIn("inode_set_acl", since((6, 2)))),
    ("holdpoint_inode_create", Hook::Lsm("inode_create")),
    ("holdpoint_inode_symlink", Hook::Lsm("inode_symlink")),
    ("holdpoint_inode_mkdir", Hook::Lsm("inode_mkdir")),
    ("holdpoint_inode_rmdir", Hook::Lsm("inode_rmdir")),
    ("holdpoint_inode_mknod", Hook::Lsm("inode_mknod")),
    ("holdpoint_ptrace_access", Hook::Lsm("ptrace_access_check")),
    ("holdpoint_ptrace_traceme", Hook::Lsm("ptrace_traceme")),
    ("holdpoint_task_kill", Hook::Lsm("task_kill")),
    ("holdpoint_file_sigio", Hook::Lsm("file_send_sigiotask")),
    ("holdpoint_bpf", Hook::Lsm("bpf")),
    ("holdpoint_kernel_read_file", Hook::Lsm("kernel_read_file")),
    ("holdpoint_kernel_load_data", Hook::Lsm("kernel_load_data")),
    ("holdpoint_locked_down", Hook::Lsm("locked_down")),
    ("holdpoint_sb_mount", Hook::Lsm("sb_mount")),
    ("holdpoint_move_mount", Hook::Lsm("move_mount")),
    ("holdpoint_sb_umount", Hook::Lsm("sb_umount")),
    ("holdpoint_sb_pivotroot", Hook::Lsm("sb_pivotroot")),
    ("holdpoint_cgroup_mkdir", Hook::Tracepoint("cgroup_mkdir")),
    ("holdpoint_cgroup_rmdir", Hook::Tracepoint("cgroup_rmdir")),
    ("holdpoint_iter_task", Hook::Iterator("task")),
];

type Versions = (Bound<(u32, u32)>, Bound<(u32, u32)>);

/// From this version an overlay's file has a structure of its own
/// (`ovl_file`, <https://github.com/torvalds/linux/blob/v6.13/fs/overlayfs/file.c>).
const OVERLAY_INDIRECT: (u32, u32) = (6, 13);

const fn since(version: (u32, u32)) -> Versions {
    (Bound::Included(version), Bound::Unbounded)
}

const fn before(version: (u32, u32)) -> Versions {
    (Bound::Unbounded, Bound::Excluded(version))
}

/// The hooks that the running kernel has.
pub(super) fn programs() -> impl Iterator<Item = (&'static str, Hook)> {
    let kernel = preflight::kernel_version();
    PROGRAMS.into_iter().filter(move |(_, hook)| match hook {
        Hook::LsmIn(_, versions) => kernel.is_some_and(|kernel| versions.contains(&kernel)),
        _ => true,
    })
}

/// Where a program is attached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hook {
    Lsm(&'static str),
    /// One that not all kernels have, or have with these arguments.
    LsmIn(&'static str, Versions),
    Tracepoint(&'static str),
    /// Runs when the daemon has it run, over all objects of a kind.
    Iterator(&'static str),
}

/// Why the kernel half is not there.
#[derive(Debug, Error)]
pub(crate) enum KernelError {
    #[error("cannot read '{path}': {cause}")]
    Read { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error("cannot read the kernel's BTF: {0}")]
    SystemBtf(#[from] aya::BtfError),
    #[error("cannot load the programs of '{path}': {cause}")]
    Load { path: PathBuf, cause: String },
    #[error("cannot attach '{program}' to '{hook}': {cause}")]
    Attach { program: &'static str, hook: &'static str, cause: String },
    #[error("cannot use the map '{map}': {cause}")]
    Map { map: &'static str, cause: String },
    #[error(
        "{0} threads could not be tagged: all agents together have {MAX_TASKS} threads, and more are not followed"
    )]
    Untagged(u64),
    #[error("cannot {operation} '{path}': {cause}")]
    Pin { operation: &'static str, path: PathBuf, cause: String },
    #[error(
        "what is pinned under '{pins}' is of another version of holdpoint ({what}): restart with the version \
         that pinned it, or take the gate down with 'holdpointd --take-down' and start again; until then the \
         gate is shut and every new hold waits"
    )]
    OtherVersion { pins: PathBuf, what: String },
}

/// The kernel half, attached and ready: what was pinned before, or loaded now.
///
/// Programs of another object are replaced: the new ones are attached before the old ones are detached, and both work
/// on the same maps, so that the gate is never open.
///
/// # Errors
/// When it can be neither adopted nor loaded; then nothing that this call made stays behind.
pub(crate) fn open(pins: &Pins, object: &Path) -> Result<Gate, KernelError> {
    let read =
        |path: &Path| fs::read(path).map_err(|cause| KernelError::Read { path: path.to_owned(), cause });
    let code = read(object)?;
    let hash: [u8; 32] = Sha256::digest(&code).into();
    let found = pins.look(hash)?;
    match found {
        Found::Adoptable => {
            info!("adopting the pinned programs: the gate was shut all the while");
            pins.detach_others(hash)?;
            let mut gate = Gate::open(pins)?;
            gate.keep(hash)?;
            return Ok(gate);
        }
        // An attempt to load that did not come to its end has attached nothing that is complete.
        Found::Unfinished => pins.remove()?,
        Found::Replaceable => info!("replacing the pinned programs: the gate stays shut"),
        Found::Nothing => {}
    }
    let types = read(Path::new("/sys/kernel/btf/vmlinux"))?;
    // Of a kernel without a version, agents' execs on an overlay are refused.
    let indirect = preflight::kernel_version().is_some_and(|kernel| kernel >= OVERLAY_INDIRECT);
    let offsets = Shared(Offsets { overlay_indirect: u32::from(indirect), ..btf::offsets(&types)? });
    let standing = Shared(btf::standing_offsets(&types)?);
    let replaces = found == Found::Replaceable;
    if !replaces {
        pins.create()?;
    }
    let made = pins.prepare(hash).and_then(|()| {
        let ebpf = load(pins, object, &code, &offsets, &standing)?;
        let mut gate = Gate::open(pins)?;
        if !replaces {
            // Before anything can be hashed with it.
            gate.set_meta(|meta| meta.hash_key = rand::random())?;
        }
        attach(&pins.links(hash), ebpf)?;
        // From here on these programs are the gate, and others are what is left over.
        gate.set_meta(|meta| *meta = Meta { abi_version: ABI_VERSION, attached: 1, object: hash, ..*meta })?;
        Ok(gate)
    });
    if made.is_err() {
        if replaces { pins.give_up(hash)? } else { pins.remove()? }
    }
    let mut gate = made?;
    pins.detach_others(hash)?;
    gate.keep(hash)?;
    Ok(gate)
}

fn load(
    pins: &Pins,
    object: &Path,
    code: &[u8],
    offsets: &Shared<Offsets>,
    standing: &Shared<StandingOffsets>,
) -> Result<Ebpf, KernelError> {
    let failed = |cause: String| KernelError::Load { path: object.to_owned(), cause };
    let btf = Btf::from_sys_fs()?;
    let mut loader = EbpfLoader::new();
    loader.btf(Some(&btf)).override_global("OFFSETS", offsets, true);
    loader.override_global("STANDING_OFFSETS", standing, true);
    #[cfg(feature = "failpoints")]
    let without = failpoint::without();
    #[cfg(feature = "failpoints")]
    loader.override_global("WITHOUT", &without, true);
    for map in MAPS {
        loader.map_pin_path(map.name, pins.map(map.name));
    }
    let mut ebpf = loader.load(code).map_err(|error| failed(chain(&error)))?;
    let mut all: HashMap<String, &mut Program> =
        ebpf.programs_mut().map(|(name, program)| (name.to_owned(), program)).collect();
    let mut jobs = Vec::new();
    for (name, hook) in programs() {
        let program = all.remove(name).ok_or_else(|| failed(format!("it has no program '{name}'")))?;
        jobs.push((name, hook, program));
    }
    // The verifier takes most of a start's time, and works on each program for itself.
    let share = jobs.len().div_ceil(LOADERS).max(1);
    let loaded: Vec<Result<(), String>> = thread::scope(|scope| {
        let btf = &btf;
        let loaders: Vec<_> =
            jobs.chunks_mut(share).map(|share| scope.spawn(move || load_all(share, btf))).collect();
        let failed = |_| Err("a thread that loads failed inside".to_owned());
        loaders.into_iter().map(|loader| loader.join().unwrap_or_else(failed)).collect()
    });
    loaded.into_iter().collect::<Result<(), String>>().map_err(failed)?;
    Ok(ebpf)
}

/// Threads that load programs.
const LOADERS: usize = 4;

fn load_all(share: &mut [(&str, Hook, &mut Program)], btf: &Btf) -> Result<(), String> {
    for (name, hook, program) in share {
        let loaded = match hook {
            Hook::Lsm(function) | Hook::LsmIn(function, _) => {
                <&mut Lsm>::try_from(&mut **program).and_then(|it| it.load(function, btf))
            }
            Hook::Tracepoint(event) => {
                <&mut BtfTracePoint>::try_from(&mut **program).and_then(|it| it.load(event, btf))
            }
            Hook::Iterator(kind) => <&mut Iter>::try_from(&mut **program).and_then(|it| it.load(kind, btf)),
        };
        loaded.map_err(|error| format!("the kernel refused '{name}': {}", chain(&error)))?;
    }
    Ok(())
}

/// Attaches all programs, and pins each link in the directory.
fn attach(links: &Path, mut ebpf: Ebpf) -> Result<(), KernelError> {
    for (program, hook) in programs() {
        let (Hook::Lsm(hook_name)
        | Hook::LsmIn(hook_name, _)
        | Hook::Tracepoint(hook_name)
        | Hook::Iterator(hook_name)) = hook;
        let failed = |cause: String| KernelError::Attach { program, hook: hook_name, cause };
        let Some(loaded) = ebpf.program_mut(program) else { continue };
        let link: FdLink = match hook {
            Hook::Lsm(_) | Hook::LsmIn(..) => {
                let it = <&mut Lsm>::try_from(loaded).map_err(|error| failed(chain(&error)))?;
                let link = it.attach().and_then(|id| it.take_link(id));
                link.map_err(|error| failed(chain(&error)))?.into()
            }
            Hook::Tracepoint(_) => {
                let it = <&mut BtfTracePoint>::try_from(loaded).map_err(|error| failed(chain(&error)))?;
                let link = it.attach().and_then(|id| it.take_link(id));
                link.map_err(|error| failed(chain(&error)))?.into()
            }
            Hook::Iterator(_) => {
                let it = <&mut Iter>::try_from(loaded).map_err(|error| failed(chain(&error)))?;
                let link = it.attach().and_then(|id| it.take_link(id));
                link.map_err(|error| failed(chain(&error)))?
                    .try_into()
                    .map_err(|error: LinkError| failed(chain(&error)))?
            }
        };
        let path = links.join(program);
        link.pin(&path).map_err(|error| KernelError::Pin {
            operation: "pin a link at",
            path,
            cause: chain(&error),
        })?;
    }
    Ok(())
}

/// An error with all its causes, in one line. The verifier's log, where there is one, comes with it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
