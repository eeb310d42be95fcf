use std::{ffi::OsStr, fs, path::Path};

use super::queue::{Queue, Watched};
use crate::rules::Directories;

fn watching(directories: &Directories) -> (Queue, Watched) {
    let (queue, mut watched) = (Queue::open().unwrap(), Watched::default());
    let first = queue.watch(&mut watched, directories);
    assert!(first.new && first.problem.is_none());
    assert!(!queue.watch(&mut watched, directories).new, "nothing is new the second time");
    (queue, watched)
}

#[tokio::test]
async fn what_matters_is_told_from_what_does_not() {
    let root = tempfile::tempdir().unwrap();
    let mut directories = Directories::default();
    directories.name(root.path(), OsStr::new("listed"));
    let (queue, watched) = watching(&directories);
    fs::write(root.path().join("other"), "").unwrap();
    assert!(!queue.take(&watched));
    fs::rename(root.path().join("other"), root.path().join("listed")).unwrap();
    queue.readable().await;
    assert!(queue.take(&watched));
    assert!(!queue.take(&watched), "it is told once");
    assert!(directories.whole(root.path()));
    let (queue, watched) = watching(&directories);
    fs::hard_link(root.path().join("listed"), root.path().join("other")).unwrap();
    queue.readable().await;
    assert!(queue.take(&watched));
}

#[tokio::test]
async fn a_directory_that_goes_is_a_change_and_one_that_is_not_there_is_none() {
    let root = tempfile::tempdir().unwrap();
    let below = root.path().join("below");
    fs::create_dir(&below).unwrap();
    let mut directories = Directories::default();
    assert!(directories.whole(&below) && directories.whole(Path::new("/not/there")));
    let (queue, mut watched) = watching(&directories);
    fs::remove_dir(&below).unwrap();
    queue.readable().await;
    assert!(queue.take(&watched));
    queue.watch(&mut watched, &Directories::default());
    assert!(!queue.take(&watched), "directories that are not watched any more tell nothing");
}
