//! `stat` of a process or thread.

/// Fields of `stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// One letter: `T` is stopped.
    pub state: char,
    /// The parent's process id; zero where it is outside of our pid namespace.
    pub parent: u32,
    /// The controlling terminal.
    pub tty: Option<String>,
    /// When the process began, in clock ticks since boot.
    pub start_ticks: u64,
    /// Whether it is one of the kernel's own threads.
    pub is_kernel_thread: bool,
}

/// Among the flags (<https://github.com/torvalds/linux/blob/v6.1/include/linux/sched.h>).
const PF_KTHREAD: u32 = 0x0020_0000;

impl Stat {
    /// Reads the line. None where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The second field is a name in parentheses that may itself have parentheses and spaces.
        let after_name = text.get(text.rfind(')')? + 2..)?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            // A device of 32 bits, printed with a sign (`do_task_stat`,
            // <https://github.com/torvalds/linux/blob/v6.1/fs/proc/array.c>).
            tty: tty(fields.get(4)?.parse::<i32>().ok()?.cast_unsigned()),
            start_ticks: fields.get(19)?.parse().ok()?,
            is_kernel_thread: fields.get(6)?.parse::<u32>().ok()? & PF_KTHREAD != 0,
        })
    }
}

/// The name of a terminal by its device number, as `tty_nr` has it.
fn tty(device: u32) -> Option<String> {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    match major {
        0 => None,
        4 if minor < 64 => Some(format!("tty{minor}")),
        4 => Some(format!("ttyS{}", minor - 64)),
        136..=143 => Some(format!("pts/{}", minor + (major - 136) * 256)),
        229 => Some(format!("hvc{minor}")),
        _ => Some(format!("{major}:{minor}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) S 9 (b) T 7 42 42 34817 42 4194304 1 0 0 0 0 0 0 0 20 0 1 0 31337 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.tty.as_deref()), ('T', 7, Some("pts/1")));
        assert_eq!(stat.start_ticks, 31337);
    }

    #[test]
    fn a_terminal_of_a_high_number_has_a_sign() {
        let line = "42 (a) T 7 42 42 -2147448832 42 4194304 1 0 0 0 0 0 0 0 20 0 1 0 31337 0 0";
        assert_eq!(Stat::parse(line).unwrap().tty.as_deref(), Some("pts/524288"));
    }
}
