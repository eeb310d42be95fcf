//! Finds where the running kernel keeps things, from its BTF.
//!
//! A reader for one question, "at which byte is this field", since the crates that answer it are either under
//! a copyleft licence that would bind the daemon (btf-rs) or keep the answer to themselves (aya-obj 0.16).
//! The format: <https://www.kernel.org/doc/html/v6.1/bpf/btf.html>.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use holdpoint_abi::{Offsets, StandingOffsets};
use thiserror::Error;

/// What the kernel says of its types.
pub(crate) struct KernelTypes<'a> {
    strings: &'a [u8],
    types: Vec<Type<'a>>,
    structs: HashMap<&'a [u8], usize>,
}

/// Why an offset is not known.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BtfError {
    #[error("cannot read the kernel's BTF: it is cut or damaged at byte {0}")]
    Damaged(usize),
    #[error("the kernel's BTF has no field '{field}' in 'struct {structure}': this kernel is not supported")]
    NoField { structure: &'static str, field: &'static str },
}

#[derive(Clone, Copy)]
struct Type<'a> {
    kind: u32,
    bitfields: bool,
    members: &'a [u8],
}

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const MEMBER_BYTES: usize = 12;
/// Anonymous structs in the kernel nest three deep at most; a damaged BTF could nest for ever.
const MAX_NESTING: usize = 8;

/// Reads all offsets that the kernel half needs.
///
/// # Errors
/// When the BTF is damaged, or a field is not there.
pub(crate) fn offsets(btf: &[u8]) -> Result<Offsets, BtfError> {
    let kernel = KernelTypes::parse(btf)?;
    let at = |structure, field| kernel.offset(structure, field);
    let dentry = at("path", "dentry")?;
    let changed = inode_changed(&at)?;
    Ok(Offsets {
        task_pid: at("task_struct", "pid")?,
        task_signal: at("task_struct", "signal")?,
        task_group_leader: at("task_struct", "group_leader")?,
        task_exit_code: at("task_struct", "exit_code")?,
        task_start_boottime: at("task_struct", "start_boottime")?,
        task_tgid: at("task_struct", "tgid")?,
        task_real_parent: at("task_struct", "real_parent")?,
        task_login_uid: at("task_struct", "loginuid").unwrap_or(0),
        signal_live: at("signal_struct", "live")?,
        signal_flags: at("signal_struct", "flags")?,
        signal_group_exit_code: at("signal_struct", "group_exit_code")?,
        bprm_file: at("linux_binprm", "file")?,
        bprm_filename: at("linux_binprm", "filename")?,
        bprm_interp: at("linux_binprm", "interp")?,
        bprm_exec: at("linux_binprm", "exec")?,
        bprm_p: at("linux_binprm", "p")?,
        bprm_argc: at("linux_binprm", "argc")?,
        bprm_envc: at("linux_binprm", "envc")?,
        file_inode: at("file", "f_inode")?,
        file_dentry: at("file", "f_path")? + dentry,
        dentry_name: at("dentry", "d_name")? + at("qstr", "name")?,
        dentry_name_length: at("dentry", "d_name")? + at("qstr", "len")?,
        dentry_inode: at("dentry", "d_inode")?,
        inode_sb: at("inode", "i_sb")?,
        inode_ino: at("inode", "i_ino")?,
        inode_size: at("inode", "i_size")?,
        inode_changed_seconds: changed.0,
        inode_changed_nanoseconds: changed.1,
        sb_dev: at("super_block", "s_dev")?,
        sb_magic: at("super_block", "s_magic")?,
        unix_dentry: at("unix_sock", "path")? + dentry,
        dentry_parent: at("dentry", "d_parent")?,
        task_real_cred: at("task_struct", "real_cred")?,
        cred_uid: at("cred", "uid")?,
        task_cgroups: at("task_struct", "cgroups")?,
        css_set_dfl_cgrp: at("css_set", "dfl_cgrp")?,
        cgroup_kn: at("cgroup", "kn")?,
        kernfs_id: at("kernfs_node", "id")?,
        kernfs_name: at("kernfs_node", "name")?,
        cgroup_self: at("cgroup", "self")?,
        css_parent: at("cgroup_subsys_state", "parent")?,
        cgroup_root: at("cgroup", "root")?,
        root_hierarchy: at("cgroup_root", "hierarchy_id")?,
        file_flags: at("file", "f_flags")?,
        file_mode: at("file", "f_mode")?,
        file_cred: at("file", "f_cred")?,
        inode_mode: at("inode", "i_mode")?,
        cred_fsuid: at("cred", "fsuid")?,
        cred_effective: at("cred", "cap_effective")?,
        cred_user_ns: at("cred", "user_ns")?,
        user_ns_level: at("user_namespace", "level")?,
        iattr_valid: at("iattr", "ia_valid")?,
        bprm_unsafe: at("linux_binprm", "unsafe")?,
        task_parent: at("task_struct", "parent")?,
        task_nsproxy: at("task_struct", "nsproxy")?,
        nsproxy_mnt_ns: at("nsproxy", "mnt_ns")?,
        mnt_ns_inum: at("mnt_namespace", "ns")? + at("ns_common", "inum")?,
        path_mnt: at("path", "mnt")?,
        path_dentry: dentry,
        vfsmount_root: at("vfsmount", "mnt_root")?,
        vfsmount_flags: at("vfsmount", "mnt_flags")?,
        mount_mnt: at("mount", "mnt")?,
        mount_parent: at("mount", "mnt_parent")?,
        file_private: at("file", "private_data")?,
        // Not in this BTF: overlayfs is a module as a rule.
        overlay_indirect: 0,
    })
}

/// Reads all offsets that tell who a task is, and where.
///
/// # Errors
/// As [`offsets`].
pub(crate) fn standing_offsets(btf: &[u8]) -> Result<StandingOffsets, BtfError> {
    let kernel = KernelTypes::parse(btf)?;
    let at = |structure, field| kernel.offset(structure, field);
    let inum = at("ns_common", "inum")?;
    let number = |structure| Ok(at(structure, "ns")? + inum);
    // One number for all kinds of namespaces takes the place of the two (Linux 6.18).
    let unique = |structure, field| {
        at(structure, field).or_else(|missing| {
            Ok(at(structure, "ns")? + at("ns_common", "ns_id").map_err(|_: BtfError| missing)?)
        })
    };
    // Without time namespaces the kernel has no type for them.
    let time = number("time_namespace").unwrap_or(0);
    let of_time = |field| if time == 0 { Ok(0) } else { at("nsproxy", field) };
    Ok(StandingOffsets {
        cred_gid: at("cred", "gid")?,
        cred_suid: at("cred", "suid")?,
        cred_sgid: at("cred", "sgid")?,
        cred_euid: at("cred", "euid")?,
        cred_egid: at("cred", "egid")?,
        cred_fsgid: at("cred", "fsgid")?,
        cred_securebits: at("cred", "securebits")?,
        cred_inheritable: at("cred", "cap_inheritable")?,
        cred_permitted: at("cred", "cap_permitted")?,
        cred_bounding: at("cred", "cap_bset")?,
        cred_ambient: at("cred", "cap_ambient")?,
        cred_groups: at("cred", "group_info")?,
        groups_count: at("group_info", "ngroups")?,
        groups_list: at("group_info", "gid")?,
        user_ns_inum: number("user_namespace")?,
        nsproxy_uts: at("nsproxy", "uts_ns")?,
        uts_inum: number("uts_namespace")?,
        nsproxy_ipc: at("nsproxy", "ipc_ns")?,
        ipc_inum: number("ipc_namespace")?,
        nsproxy_pid: at("nsproxy", "pid_ns_for_children")?,
        pid_inum: number("pid_namespace")?,
        nsproxy_net: at("nsproxy", "net_ns")?,
        net_inum: number("net")?,
        net_unique: unique("net", "net_cookie")?,
        nsproxy_cgroup: at("nsproxy", "cgroup_ns")?,
        cgroup_inum: number("cgroup_namespace")?,
        nsproxy_time: of_time("time_ns")?,
        nsproxy_time_children: of_time("time_ns_for_children")?,
        time_inum: time,
        mnt_unique: unique("mnt_namespace", "seq")?,
        mnt_user_ns: at("mnt_namespace", "user_ns")?,
        task_fs: at("task_struct", "fs")?,
        fs_directory: at("fs_struct", "pwd")?,
        fs_root: at("fs_struct", "root")?,
        inode_generation: at("inode", "i_generation")?,
        mount_id: at("mount", "mnt_id")?,
        mount_unique: at("mount", "mnt_id_unique").unwrap_or(0),
    })
}

/// Where an inode has the time of its last change: `i_ctime`, called `__i_ctime` since Linux 6.6, and two fields since
/// 6.11 (<https://github.com/torvalds/linux/commit/3aa63a569c64e708df547a8913c84e64a06e7853>).
fn inode_changed(
    at: &impl Fn(&'static str, &'static str) -> Result<u32, BtfError>,
) -> Result<(u32, u32), BtfError> {
    if let (Ok(seconds), Ok(nanoseconds)) = (at("inode", "i_ctime_sec"), at("inode", "i_ctime_nsec")) {
        return Ok((seconds, nanoseconds));
    }
    let time = at("inode", "__i_ctime").or_else(|_| at("inode", "i_ctime"))?;
    Ok((time + at("timespec64", "tv_sec")?, time + at("timespec64", "tv_nsec")?))
}

impl<'a> KernelTypes<'a> {
    fn parse(btf: &'a [u8]) -> Result<Self, BtfError> {
        if u16_at(btf, 0)? != MAGIC {
            return Err(BtfError::Damaged(0));
        }
        let header = word_at(btf, 4)? as usize;
        let section = |at: usize| -> Result<&'a [u8], BtfError> {
            let start = header + word_at(btf, at)? as usize;
            let end = start + word_at(btf, at + 4)? as usize;
            btf.get(start..end).ok_or(BtfError::Damaged(at))
        };
        let (records, strings) = (section(8)?, section(16)?);
        // Type 0 is void.
        let mut types = vec![Type { kind: 0, bitfields: false, members: &[] }];
        let mut structs = HashMap::new();
        let mut at = 0;
        while at < records.len() {
            let info = word_at(records, at + 4)?;
            let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            let extra = extra_bytes(kind, count).ok_or(BtfError::Damaged(at))?;
            let members = records.get(at + 12..at + 12 + extra).ok_or(BtfError::Damaged(at))?;
            if kind == KIND_STRUCT {
                let name = string_at(strings, word_at(records, at)?)?;
                structs.entry(name).or_insert(types.len());
            }
            types.push(Type { kind, bitfields: info >> 31 == 1, members });
            at += 12 + extra;
        }
        Ok(Self { strings, types, structs })
    }

    /// The offset in bytes of a field, also one inside of an anonymous struct or union.
    fn offset(&self, structure: &'static str, field: &'static str) -> Result<u32, BtfError> {
        let missing = BtfError::NoField { structure, field };
        let Some(&index) = self.structs.get(structure.as_bytes()) else {
            return Err(missing);
        };
        self.member(index, field, 0)?.ok_or(missing)
    }

    fn member(&self, index: usize, field: &str, depth: usize) -> Result<Option<u32>, BtfError> {
        let Some(outer) = self.types.get(index).filter(|_| depth < MAX_NESTING) else {
            return Ok(None);
        };
        for member in outer.members.chunks_exact(MEMBER_BYTES) {
            let bits = word_at(member, 8)?;
            let bits = if outer.bitfields { bits & 0x00ff_ffff } else { bits };
            let name = string_at(self.strings, word_at(member, 0)?)?;
            if name == field.as_bytes() {
                return Ok(Some(bits / 8));
            }
            let inner = word_at(member, 4)? as usize;
            if name.is_empty()
                && self.types.get(inner).is_some_and(|inner| matches!(inner.kind, KIND_STRUCT | KIND_UNION))
                && let Some(within) = self.member(inner, field, depth + 1)?
            {
                return Ok(Some(bits / 8 + within));
            }
        }
        Ok(None)
    }
}

/// What follows the 12 bytes that every type has.
fn extra_bytes(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        1 | 14 | 17 => 4,
        2 | 7..=12 | 16 | 18 => 0,
        3 => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => 12 * count,
        6 | 13 => 8 * count,
        _ => return None,
    })
}

fn word_at(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    let word = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    word.map(u32::from_le_bytes).ok_or(BtfError::Damaged(at))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, BtfError> {
    let half = bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    half.map(u16::from_le_bytes).ok_or(BtfError::Damaged(at))
}

fn string_at(strings: &[u8], at: u32) -> Result<&[u8], BtfError> {
    let tail = strings.get(at as usize..).ok_or(BtfError::Damaged(at as usize))?;
    Ok(tail.split(|byte| *byte == 0).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// struct task { int a; union { int b; int c : 8 } } as the compiler writes it.
    fn small_btf() -> Vec<u8> {
        let strings = b"\0task\0a\0b\0c\0int\0";
        let words: &[u32] = &[
            12,
            1 << 24,
            4,
            32, // 1: int
            1,
            4 << 24 | 2,
            8,
            6,
            1,
            0,
            0,
            3,
            32, // 2: struct task
            0,
            1 << 31 | 5 << 24 | 2,
            4,
            8,
            1,
            0,
            10,
            1,
            8 << 24, // 3: anonymous union with a bit field
        ];
        let mut btf = vec![0x9f, 0xeb, 1, 0];
        let length = u32::try_from(words.len() * 4).unwrap();
        for word in [24, 0, length, length, u32::try_from(strings.len()).unwrap()] {
            btf.extend(word.to_le_bytes());
        }
        btf.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        btf.extend(strings);
        btf
    }

    #[test]
    fn a_field_is_found_also_in_an_anonymous_union() {
        let btf = small_btf();
        let types = KernelTypes::parse(&btf).unwrap();
        assert_eq!(types.offset("task", "a"), Ok(0));
        assert_eq!(types.offset("task", "b"), Ok(4));
        assert_eq!(types.offset("task", "c"), Ok(4));
        assert!(types.offset("task", "d").is_err());
        assert!(types.offset("tusk", "a").is_err());
    }

    #[test]
    fn a_cut_btf_is_an_error_at_every_length() {
        let btf = small_btf();
        for length in 0..btf.len() {
            assert!(KernelTypes::parse(&btf[..length]).is_err(), "{length}");
        }
    }
}
