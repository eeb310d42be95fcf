//! Agents do not reach the socket on which people vote, whatever their uid.

use aya_ebpf::programs::LsmContext;
use holdpoint_abi::Counter;

use crate::{
    count,
    guard::listed::Identity,
    kernel::{Pointer, read},
    maps::{META, offset},
    tag::{self, Tag},
};

const EPERM: i32 = -1;

/// `unix_stream_connect(struct sock *sock, struct sock *other, struct sock *newsk)`
#[inline(always)]
pub fn connect(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(3);
    if so_far != 0 {
        return so_far;
    }
    if let Tag::None | Tag::Becoming(_) = tag::of_current() {
        return 0;
    }
    let other: Pointer = ctx.arg(1);
    let Some(dentry) = read::<Pointer>(other, offset!(unix_dentry)) else {
        return refuse();
    };
    // A socket without a path is not ours.
    if dentry.is_null() {
        return 0;
    }
    let Some(control) = META.get(0).map(|meta| meta.control_socket) else {
        return refuse();
    };
    match Identity::of_entry(dentry) {
        Some(socket) if socket.file != control => 0,
        _ => refuse(),
    }
}

#[inline(always)]
fn refuse() -> i32 {
    count::add(Counter::ControlRefused);
    EPERM
}
