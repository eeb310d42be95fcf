//! Changing listed files, and what lies in the daemon's directories.

use aya_ebpf::programs::LsmContext;
use holdpoint_abi::Counter;

use super::{
    PASS, current_agent,
    listed::{self, Identity},
    place, refuse,
};
use crate::{
    kernel::{Pointer, load},
    maps::offset,
};

/// `ATTR_MODE`, `ATTR_UID`, `ATTR_GID` and `ATTR_SIZE`: what changes a file, other than its times
/// (<https://github.com/torvalds/linux/blob/v6.1/include/linux/fs.h>).
const CHANGES: u32 = 0b1111;

/// `inode_link(struct dentry *old_dentry, struct inode *dir, struct dentry *new_dentry)`
#[inline(always)]
pub fn linked(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(3);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    both(agent, ctx.arg(0), ctx.arg(2))
}

/// `inode_rename(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir, struct dentry *new_dentry)`
///
/// An exchange of two names calls it twice, once for each direction.
#[inline(always)]
pub fn renamed(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(4);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    let (old, new): (Pointer, Pointer) = (ctx.arg(1), ctx.arg(3));
    // What lies below a directory that is moved would be found by another path.
    if place::is_guarded(old) || place::is_guarded(new) {
        return refuse(Counter::PlaceRefused, &place::about(agent, old));
    }
    both(agent, old, new)
}

/// `inode_unlink(struct inode *dir, struct dentry *dentry)`
#[inline(always)]
pub fn unlinked(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(2);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    one(agent, ctx.arg(1))
}

/// `inode_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)`, before 6.9 without the mapping
/// of ids. One program for both would be of no use: the compiler makes one look with a computed place out of the two,
/// which the verifier refuses.
#[inline(always)]
pub fn attributes_set(so_far: i32, dentry: Pointer, attributes: Pointer) -> i32 {
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    if load::<u32>(attributes, offset!(iattr_valid)) & CHANGES == 0 {
        return place::changed(agent, dentry);
    }
    one(agent, dentry)
}

/// `inode_setxattr(struct user_namespace *mnt_userns, struct dentry *dentry, const char *name, const void *value,
/// size_t size, int flags)`
#[inline(always)]
pub fn xattr_set(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(6);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    one(agent, ctx.arg(1))
}

/// `inode_removexattr(struct user_namespace *mnt_userns, struct dentry *dentry, const char *name)`
#[inline(always)]
pub fn xattr_removed(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(3);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    one(agent, ctx.arg(1))
}

/// `inode_set_acl(struct mnt_idmap *idmap, struct dentry *dentry, const char *acl_name, struct posix_acl *kacl)`: before
/// 6.2 an access list was an extended attribute like others.
#[inline(always)]
pub fn acl_set(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(4);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    one(agent, ctx.arg(1))
}

/// The hooks that make a new entry of a directory: `dentry` is their second argument, and the verdict so far comes after
/// the last.
#[inline(always)]
pub fn made(ctx: &LsmContext, so_far: i32) -> i32 {
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    place::changed(agent, ctx.arg(1))
}

#[inline(always)]
fn both(agent: u32, old: Pointer, new: Pointer) -> i32 {
    let verdict = one(agent, old);
    if verdict != PASS { verdict } else { one(agent, new) }
}

#[inline(always)]
fn one(agent: u32, dentry: Pointer) -> i32 {
    let identity = Identity::of_entry(dentry);
    if let Some(attempt) = identity.and_then(|identity| listed::attempt(agent, dentry, &identity)) {
        let verdict = refuse(Counter::ChangeRefused, &attempt);
        if verdict != PASS {
            return verdict;
        }
    }
    place::changed(agent, dentry)
}
