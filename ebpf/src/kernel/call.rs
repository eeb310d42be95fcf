//! The system call that the current task is in: where its arguments lie.

use aya_ebpf::helpers::{bpf_probe_read_user, generated::bpf_task_pt_regs};

use super::{Pointer, read, task};

/// The array of pointers to the arguments.
#[derive(Clone, Copy)]
pub struct Argv {
    /// Where it lies in the caller's memory.
    pub at: u64,
    /// Bytes of one pointer.
    pub width: u64,
}

/// Registers in `struct pt_regs`, which is part of the kernel's promise to user space
/// (<https://github.com/torvalds/linux/blob/v6.1/arch/x86/include/uapi/asm/ptrace.h>).
const CX: u32 = 88;
const DX: u32 = 96;
const SI: u32 = 104;
const NUMBER: u32 = 120;

/// System calls by number. In an exec no number of one ABI means another call of the other.
const EXECVE: u64 = 59;
const EXECVEAT: u64 = 322;
const EXECVE_32: u64 = 11;
const EXECVEAT_32: u64 = 358;

/// Where the arguments lie. None for a call that is not known, such as those of the x32 ABI.
#[inline(always)]
pub fn argv() -> Option<Argv> {
    // SAFETY: the current task is one that the verifier knows, and the helper asks for nothing else.
    let registers = unsafe { bpf_task_pt_regs(task::current()) } as usize as Pointer;
    let number: u64 = read(registers, NUMBER)?;
    let (register, width) = match number {
        EXECVE => (SI, 8),
        EXECVEAT => (DX, 8),
        EXECVE_32 => (CX, 4),
        EXECVEAT_32 => (DX, 4),
        _ => return None,
    };
    let at: u64 = read(registers, register)?;
    Some(Argv { at: if width == 4 { at & 0xffff_ffff } else { at }, width })
}

/// One pointer of the array; zero at its end. None where it is not in memory: reading never waits for a page.
#[inline(always)]
pub fn pointer(array: Argv, index: u64) -> Option<u64> {
    let at = array.at.wrapping_add(index.wrapping_mul(array.width)) as usize;
    if array.width == 4 {
        // SAFETY: the helper checks the address and fails where nothing is in memory.
        return unsafe { bpf_probe_read_user(at as *const u32) }.ok().map(u64::from);
    }
    // SAFETY: as above.
    unsafe { bpf_probe_read_user(at as *const u64) }.ok()
}
