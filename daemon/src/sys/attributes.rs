//! Extended attributes of files.

use std::{ffi::CString, io};

/// The attribute that has a file's POSIX access list (acl(5)).
const ACCESS_LIST: &std::ffi::CStr = c"system.posix_acl_access";

/// Whether the file at a path, links followed, has an access list beside its mode. Yes, where that cannot be found out.
pub(crate) fn has_access_list(path: &str) -> bool {
    let Ok(path) = CString::new(path) else { return true };
    // SAFETY: getxattr(2) takes two strings that end with a zero, and writes nothing into a buffer of no size.
    let size = unsafe { libc::getxattr(path.as_ptr(), ACCESS_LIST.as_ptr(), std::ptr::null_mut(), 0) };
    // A file system without access lists says that it does not know them.
    size >= 0 || !matches!(io::Error::last_os_error().raw_os_error(), Some(libc::ENODATA | libc::EOPNOTSUPP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_list_has_none_and_one_that_is_not_there_may_have_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!has_access_list(file.path().to_str().unwrap()));
        assert!(has_access_list("/nowhere/at/all"));
    }
}
