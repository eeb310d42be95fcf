//! `syscall` of a thread that has stopped: in which system call, with which registers.

/// An execve or execveat, as the registers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Where the path lies.
    pub path: u64,
    /// Where the pointers to the arguments lie.
    pub argv: u64,
    /// Where the pointers to the environment lie.
    pub environment: u64,
    /// Bytes of a pointer.
    pub width: u64,
    /// The directory descriptor of execveat; none for execve, and where it is `AT_FDCWD`.
    pub directory: Option<u32>,
}

/// System calls by number: those of x86-64, and of i386, which no number of ours is shared with.
const EXECVE: u64 = 59;
const EXECVEAT: u64 = 322;
const EXECVE_32: u64 = 11;
const EXECVEAT_32: u64 = 358;

impl Exec {
    /// The exec that these registers are of, and the number of the system call where it is none.
    ///
    /// # Errors
    /// Where it is another system call.
    pub fn of([number, arguments @ ..]: [u64; 7]) -> Result<Self, u64> {
        let (at, width) = match number {
            EXECVE => (0, 8),
            EXECVEAT => (1, 8),
            EXECVE_32 => (0, 4),
            EXECVEAT_32 => (1, 4),
            other => return Err(other),
        };
        let argument = |index: usize| arguments.get(at + index).copied().unwrap_or_default();
        // `AT_FDCWD` is negative.
        let directory = (at == 1).then(|| u32::try_from(arguments[0] & 0xffff_ffff).ok()).flatten();
        let directory = directory.filter(|fd| i32::try_from(*fd).is_ok());
        Ok(Self { path: argument(0), argv: argument(1), environment: argument(2), width, directory })
    }
}

/// The number of the system call and its six arguments; none while the thread runs, or is in no system call.
#[must_use]
pub fn registers(text: &str) -> Option<[u64; 7]> {
    let mut values = text.split_ascii_whitespace().map(number);
    let mut found = [0; 7];
    found.iter_mut().all(|slot| values.next().flatten().map(|value| *slot = value).is_some()).then_some(found)
}

/// Whether a line is about an exec.
#[must_use]
pub fn is_exec(text: &str) -> bool {
    let number = text.split_ascii_whitespace().next().and_then(number);
    matches!(number, Some(EXECVE | EXECVEAT | EXECVE_32 | EXECVEAT_32))
}

fn number(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_those_of_an_exec_or_none() {
        let line = "322 0xffffff9c 0x10 0x20 0x30 0x1000 0x0 0x7ffc 0x7f00\n";
        let exec = Exec::of(registers(line).unwrap()).unwrap();
        assert_eq!((exec.path, exec.argv, exec.environment, exec.width), (0x10, 0x20, 0x30, 8));
        assert_eq!(exec.directory, None, "AT_FDCWD is no descriptor");
        assert_eq!(Exec::of([358, 5, 1, 2, 3, 0, 0]).unwrap().directory, Some(5));
        assert_eq!(Exec::of([0; 7]), Err(0));
        assert_eq!((registers("running\n"), registers("-1 0x7ffc 0x7f00\n")), (None, None));
        assert!(is_exec("59 0x1\n") && !is_exec("60 0x1\n") && !is_exec("running\n"));
    }
}
