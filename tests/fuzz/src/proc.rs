//! What the files of `/proc` say, names of the agent's choice and all.

use holdpoint_core::proc::{
    Exec, Stat, Status, cgroup, device, is_exec, login_uid, numbered, registers, unit,
};

use super::text::is_plain;

/// Any text is read, or is none.
pub fn proc(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(tty) = Stat::parse(&text).and_then(|stat| stat.tty) {
        is_plain(&tty);
    }
    if let Some(status) = Status::parse(&text) {
        assert_eq!(status.due & status.handled, 0);
    }
    if let Some(registers) = registers(&text) {
        assert_eq!(Exec::of(registers).is_ok(), is_exec(&text));
        if let Ok(exec) = Exec::of(registers) {
            assert!(matches!(exec.width, 4 | 8));
            assert!(exec.directory.is_none_or(|fd| i32::try_from(fd).is_ok()));
        }
    }
    assert_ne!(login_uid(&text), Some(u32::MAX));
    assert!(!cgroup(&text).contains('\n'));
    assert!(unit(bytes).is_none_or(|unit| !unit.contains('/')));
    let mount = numbered(&text, "mnt_id:").unwrap_or(29);
    let _device = device(&text, mount);
}
