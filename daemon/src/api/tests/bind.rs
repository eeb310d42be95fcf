//! Where a socket may be made.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use super::super::bind::{BindError, bind};

fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
}

#[tokio::test]
async fn a_socket_has_its_mode_and_group_and_leaves_nothing_else_behind() {
    let directory = directory();
    let path = directory.path().join("control.sock");
    let group = nix::unistd::getegid().as_raw();
    let _listener = bind(&path, 0o660, Some(group)).unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.mode() & 0o7777, found.gid()), (0o660, group));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    tokio::net::UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = directory();
    let path = directory.path().join("control.sock");
    let first = bind(&path, 0o600, None).unwrap();
    let error = bind(&path, 0o600, None).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    drop(first);
    assert!(path.exists(), "a killed daemon leaves its socket, too");
    let _second = bind(&path, 0o600, None).unwrap();
    tokio::net::UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn what_is_no_socket_of_ours_is_left_alone() {
    let directory = directory();
    let path = directory.path().join("control.sock");
    fs::write(&path, "precious").unwrap();
    let error = bind(&path, 0o600, None).unwrap_err();
    assert!(
        matches!(error, BindError::Occupied { .. }) && error.to_string().contains("not a socket"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    symlink(directory.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(bind(&path, 0o600, None).unwrap_err(), BindError::Occupied { .. }));
    fs::remove_file(&path).unwrap();
    if nix::unistd::geteuid().is_root() {
        drop(bind(&path, 0o600, None).unwrap());
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let error = bind(&path, 0o600, None).unwrap_err();
        assert!(error.to_string().contains("belongs to uid 65534"), "{error}");
    }
}

#[tokio::test]
async fn a_directory_that_others_can_change_is_refused() {
    let directory = directory();
    let path = directory.path().join("control.sock");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    let error = bind(&path, 0o600, None).unwrap_err();
    assert!(
        matches!(error, BindError::Directory { .. }) && error.to_string().contains("mode 1777"),
        "{error}"
    );
    let error = bind(&directory.path().join("none/control.sock"), 0o600, None).unwrap_err();
    assert!(error.to_string().contains("RuntimeDirectory=holdpoint"), "{error}");
}
