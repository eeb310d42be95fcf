//! What is not right is refused, with a word on what to do.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::Path,
};

use super::{
    super::{StoreError, open::FILE_NAME},
    *,
};

fn refusal(directory: &Path) -> StoreError {
    Store::open(directory).expect_err("the store should be refused")
}

/// A database with enough pages that some of them can be spoilt.
fn filled() -> tempfile::TempDir {
    let directory = state_directory();
    let mut store = open(directory.path());
    store.write(&(1..2000).map(log_entry).collect::<Vec<_>>()).unwrap();
    drop(store);
    directory
}

#[test]
fn the_file_can_be_read_by_its_owner_alone() {
    let directory = filled();
    let _open_again = open(directory.path());
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o7777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_directory_that_is_missing_or_no_directory_or_unwritable_is_refused_with_a_cure() {
    let directory = state_directory();
    let missing = refusal(&directory.path().join("none"));
    assert!(missing.to_string().contains("create it with"), "{missing}");
    fs::write(directory.path().join("file"), "").unwrap();
    let file = refusal(&directory.path().join("file"));
    assert!(file.to_string().contains("move away"), "{file}");
    // Nobody can make files there, not even root.
    let unwritable = refusal(Path::new("/sys/kernel"));
    assert!(matches!(unwritable, StoreError::Files { .. } | StoreError::Unsafe { .. }), "{unwritable}");
}

#[test]
fn what_the_file_system_says_comes_with_a_cure() {
    let cure =
        |code| StoreError::files("create", "/x".into(), io::Error::from_raw_os_error(code)).to_string();
    assert!(cure(libc::EROFS).ends_with("mount its file system read-write"), "{}", cure(libc::EROFS));
    assert!(cure(libc::ENOSPC).ends_with("make room on its file system"), "{}", cure(libc::ENOSPC));
    assert!(cure(libc::EACCES).contains("ReadWritePaths="), "{}", cure(libc::EACCES));
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let directory = filled();
    let path = directory.path().join(FILE_NAME);
    fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
    let error = refusal(directory.path());
    assert!(matches!(error, StoreError::Unsafe { .. }) && error.to_string().contains("mode 0620"), "{error}");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(refusal(directory.path()), StoreError::Unsafe { .. }));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    if nix::unistd::geteuid().is_root() {
        chown(&path, Some(65534), None).unwrap();
        let error = refusal(directory.path());
        assert!(error.to_string().contains("belongs to uid 65534"), "{error}");
    }
}

#[test]
fn a_link_or_a_directory_in_the_place_of_the_file_is_refused() {
    let elsewhere = filled();
    let directory = state_directory();
    let path = directory.path().join(FILE_NAME);
    symlink(elsewhere.path().join(FILE_NAME), &path).unwrap();
    assert!(matches!(refusal(directory.path()), StoreError::Files { .. }));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refusal(directory.path()), StoreError::Files { .. }));
}

#[test]
fn rubbish_and_a_torn_file_are_refused_as_damaged() {
    let directory = state_directory();
    let path = directory.path().join(FILE_NAME);
    fs::write(&path, "this is not a database".repeat(100)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(refusal(directory.path()), StoreError::Corrupt { .. }), "{}", refusal(directory.path()));

    let directory = filled();
    let path = directory.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(refusal(directory.path()), StoreError::Corrupt { .. }), "{}", refusal(directory.path()));

    let mut spoilt = whole;
    let middle = spoilt.len() / 2;
    spoilt[middle..middle + 4096].fill(0xa5);
    fs::write(&path, &spoilt).unwrap();
    let error = refusal(directory.path());
    assert!(
        matches!(error, StoreError::Corrupt { .. }) && error.to_string().contains("restore a backup"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), spoilt, "a refused file is left as it is");
}

#[test]
fn a_newer_version_and_a_foreign_database_are_refused() {
    let directory = filled();
    let path = directory.path().join(FILE_NAME);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 9).unwrap();
    drop(raw);
    let error = refusal(directory.path());
    assert!(matches!(error, StoreError::Newer { found: 9, known: 4, .. }), "{error}");

    let directory = state_directory();
    let path = directory.path().join(FILE_NAME);
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks (x)").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(refusal(directory.path()), StoreError::Foreign { .. }));
}

#[test]
fn a_full_disk_refuses_the_batch_and_the_store_goes_on_when_there_is_room() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let limit = |store: &Store, pages: i64| {
        store.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    limit(&store, pages + 1);
    let error = store.write(&(1..2000).map(log_entry).collect::<Vec<_>>()).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }) && error.to_string().contains("make room"), "{error}");
    assert_eq!(store.log(None, 10, None).unwrap(), []);
    limit(&store, 1_000_000);
    store.write(&[log_entry(1)]).unwrap();
    assert_eq!(store.log(None, 10, None).unwrap().len(), 1);
}

#[test]
fn a_row_that_makes_no_sense_is_named() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let agent = store.new_agent(&new_agent("claude")).unwrap();
    store_new(&mut store, &pending(1, agent));
    store.connection.execute("UPDATE requests SET state = '{\"is\":\"allowed\"}'", []).unwrap();
    let error = store.open_requests().unwrap_err();
    assert!(matches!(error, StoreError::Row { .. }) && error.to_string().contains("allowed"), "{error}");
}
