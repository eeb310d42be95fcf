//! `mountinfo` of a process, and `fdinfo` of a descriptor: which file it is.

/// The device of a mount, as the kernel packs `dev_t`
/// (<https://github.com/torvalds/linux/blob/v6.1/include/linux/kdev_t.h>), from `mountinfo`.
#[must_use]
pub fn device(table: &str, mount: u64) -> Option<u32> {
    table.lines().find_map(|line| device_of(line, mount))
}

/// The number behind a name such as `ino:`, from `fdinfo`.
#[must_use]
pub fn numbered(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// `ID PARENT MAJOR:MINOR …`
fn device_of(line: &str, mount: u64) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace();
    if fields.next()?.parse() != Ok(mount) {
        return None;
    }
    let (major, minor) = fields.nth(1)?.split_once(':')?;
    Some(major.parse::<u32>().ok()? << 20 | minor.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_of_a_mount_is_packed_as_the_kernel_packs_it() {
        let table =
            "28 1 0:5 / /dev rw - devtmpfs udev rw\n29 1 8:17 / /mnt rw shared:1 - ext4 /dev/sdb1 rw\n";
        assert_eq!((device(table, 29), device(table, 2)), (Some(8 << 20 | 17), None));
    }

    #[test]
    fn a_number_is_found_by_its_name() {
        let info = "pos:\t0\nflags:\t0100000\nmnt_id:\t29\nino:\t77\n";
        assert_eq!((numbered(info, "ino:"), numbered(info, "size:")), (Some(77), None));
    }
}
