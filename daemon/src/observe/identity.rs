//! Which file a descriptor stands for, in the kernel's own numbers.
//!
//! Not those of stat(2), whose device differs from `s_dev` on overlayfs and btrfs. The inode number comes from
//! `fdinfo` (since Linux 5.14), the device from the mount that the descriptor was opened on. A process in a chroot
//! does not see the mount that its root lies on; then the device is that of stat(2), which differs from every
//! `s_dev` where it is not the right one, so that no file passes for another.

use std::{fs, io, os::fd::BorrowedFd};

use holdpoint_abi::FileKey;
use holdpoint_core::proc;
use nix::sys::stat::{fstat, major, minor};
use thiserror::Error;

use crate::sys::descriptors;

/// Why a file's identity is not known.
#[derive(Debug, Error)]
pub(crate) enum IdentityError {
    #[error("cannot read '{path}': {cause}")]
    Read { path: String, cause: io::Error },
    #[error("'{path}' has no line that tells {what}")]
    Missing { path: String, what: String },
}

/// The identity of an open file (`O_PATH` suffices). `mounts` is a `mountinfo` of the mount namespace in
/// which the file lies.
pub(crate) fn key_of(fd: BorrowedFd<'_>, mounts: &str) -> Result<FileKey, IdentityError> {
    let mount = mount_of(fd)?;
    let table = read(mounts)?;
    let device = match proc::device(&table, mount) {
        Some(device) => device,
        None => {
            let missing =
                |cause: nix::Error| IdentityError::Read { path: mounts.to_owned(), cause: cause.into() };
            packed(fstat(fd).map_err(missing)?.st_dev)
        }
    };
    Ok(FileKey { ino: inode_of(fd)?, dev: device, pad: 0 })
}

/// The number of an open file's inode, which alone is no identity.
pub(crate) fn inode_of(fd: BorrowedFd<'_>) -> Result<u64, IdentityError> {
    field(fd, "ino:")
}

/// The number of the mount that an open file was reached by.
pub(crate) fn mount_of(fd: BorrowedFd<'_>) -> Result<u64, IdentityError> {
    field(fd, "mnt_id:")
}

fn field(fd: BorrowedFd<'_>, name: &str) -> Result<u64, IdentityError> {
    let path = descriptors::path_in("fdinfo", fd);
    let info = read(&path)?;
    proc::numbered(&info, name).ok_or_else(|| IdentityError::Missing { path, what: format!("'{name}'") })
}

/// A device number of stat(2), as the kernel packs it.
fn packed(device: u64) -> u32 {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    number(major(device)) << 20 | number(minor(device))
}

fn read(path: &str) -> Result<String, IdentityError> {
    let bytes = fs::read(path).map_err(|cause| IdentityError::Read { path: path.to_owned(), cause })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd};

    use super::*;

    #[test]
    fn one_file_has_one_identity_and_another_file_another() {
        let directory = tempfile::tempdir().unwrap();
        let key = |name: &str| {
            let file = File::options().create(true).append(true).open(directory.path().join(name)).unwrap();
            key_of(file.as_fd(), "/proc/self/mountinfo").unwrap()
        };
        assert_eq!(key("a"), key("a"));
        assert_ne!(key("a"), key("b"));
    }
}
