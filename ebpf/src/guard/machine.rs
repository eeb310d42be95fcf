//! The running kernel: what would take the programs out of it, or make it another one.

use aya_ebpf::programs::LsmContext;
use holdpoint_abi::Counter;

use super::{Attempt, PASS, current_agent, refuse};

/// `READING_MODULE`, `READING_KEXEC_IMAGE`, `READING_KEXEC_INITRAMFS`; those of `LOADING_` have the same numbers
/// (<https://github.com/torvalds/linux/blob/v6.1/include/linux/kernel_read_file.h>). Firmware is another one: a driver
/// asks for it on behalf of whoever sets a device up.
const MODULE: u32 = 2;
const KEXEC_IMAGE: u32 = 3;
const KEXEC_INITRAMFS: u32 = 4;

/// `bpf(int cmd, union bpf_attr *attr, unsigned int size)`
#[inline(always)]
pub fn bpf(ctx: &LsmContext) -> i32 {
    refuse_agents(ctx.arg(3), Counter::BpfRefused)
}

/// `kernel_read_file(struct file *file, enum kernel_read_file_id id, bool contents)`: `finit_module`, `kexec_file_load`.
#[inline(always)]
pub fn file_read(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(3);
    if is_code(ctx.arg(1)) { refuse_agents(so_far, Counter::KernelRefused) } else { so_far }
}

/// `kernel_load_data(enum kernel_load_data_id id, bool contents)`: `init_module`, `kexec_load`.
#[inline(always)]
pub fn data_loaded(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(2);
    if is_code(ctx.arg(0)) { refuse_agents(so_far, Counter::KernelRefused) } else { so_far }
}

/// `locked_down(enum lockdown_reason what)`: all that kernel_lockdown(7) is about, such as `/dev/mem`, I/O ports, MSRs,
/// hibernation, kprobes, and writing to debugfs.
#[inline(always)]
pub fn locked_down(ctx: &LsmContext) -> i32 {
    refuse_agents(ctx.arg(1), Counter::KernelRefused)
}

#[inline(always)]
fn is_code(id: u32) -> bool {
    matches!(id, MODULE | KEXEC_IMAGE | KEXEC_INITRAMFS)
}

#[inline(always)]
fn refuse_agents(so_far: i32, protection: Counter) -> i32 {
    if so_far != 0 {
        return so_far;
    }
    match current_agent() {
        Some(agent) => refuse(protection, &Attempt::by(agent)),
        None => PASS,
    }
}
