//! The records of the kernel half's ring buffers, as bytes that may be anything: its version may be another.

use std::mem::offset_of;

use holdpoint_abi::{
    COUNTER_COUNT, Doorbell, FILED_ARGUMENTS, FILED_BYTES, FILED_PATH, Filing, NAME_LENGTH, Refusal,
};

/// An exec that was refused at once and filed (`wait = "refuse"`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The hold's id.
    pub hold: u64,
    /// Thread group id of the process that called execve.
    pub tgid: u32,
    /// Its thread.
    pub tid: u32,
    /// Thread group id of its parent; zero where it is not known.
    pub parent: u32,
    /// The path as the kernel has it; empty where it may have been cut.
    pub path: Vec<u8>,
    /// The arguments.
    pub argv: Vec<Vec<u8>>,
}

/// Something that an agent tried, beside an exec, and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The agent's number; zero where it is not known.
    pub agent: u32,
    /// The index of the counter that counts it, below `COUNTER_COUNT`.
    pub counter: usize,
    /// The process that tried.
    pub pid: u32,
    /// The process that was meant, where one was.
    pub target: Option<u32>,
    /// How many more of the kind there were since the last that was told of.
    pub more: u64,
    /// The name of the thread.
    pub comm: Vec<u8>,
    /// The name of the file that was meant, where one was.
    pub file: Option<Vec<u8>>,
}

/// Reads a doorbell. None where it is not one.
#[must_use]
pub fn doorbell(bytes: &[u8]) -> Option<Doorbell> {
    Some(Doorbell {
        hold: long(bytes, offset_of!(Doorbell, hold))?,
        kind: word(bytes, offset_of!(Doorbell, kind))?,
        tgid: word(bytes, offset_of!(Doorbell, tgid))?,
    })
}

impl Filed {
    /// Reads a record of `filings`. None where it is not one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < size_of::<Filing>() {
            return None;
        }
        let word = |at| word(bytes, at);
        let length = usize::try_from(word(offset_of!(Filing, length))?).ok()?;
        let count = usize::try_from(word(offset_of!(Filing, argc))?).ok()?;
        let path_length = usize::try_from(word(offset_of!(Filing, path_length))?).ok()?;
        if length > FILED_BYTES || count > FILED_ARGUMENTS || path_length > FILED_PATH {
            return None;
        }
        let strings = bytes.get(offset_of!(Filing, strings)..)?.get(..length)?;
        let argv: Vec<Vec<u8>> =
            strings.strip_suffix(&[0])?.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        let path = bytes.get(offset_of!(Filing, path)..)?.get(..path_length.checked_sub(1)?)?.to_vec();
        // One that fills the room may have been cut, and then names nothing.
        let path = if path_length == FILED_PATH { Vec::new() } else { path };
        (argv.len() == count).then_some(Self {
            hold: long(bytes, offset_of!(Filing, hold))?,
            tgid: word(offset_of!(Filing, tgid))?,
            tid: word(offset_of!(Filing, tid))?,
            parent: word(offset_of!(Filing, parent))?,
            path,
            argv,
        })
    }
}

impl Refused {
    /// Reads a record of `refusals`. None where it is not one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = |at: usize, length: usize| {
            let all = bytes.get(at..at + length)?;
            all.split(|byte| *byte == 0).next().map(<[u8]>::to_vec)
        };
        let counter = usize::try_from(word(bytes, offset_of!(Refusal, what))?).ok()?;
        (counter < COUNTER_COUNT).then_some(Self {
            agent: word(bytes, offset_of!(Refusal, agent))?,
            counter,
            pid: word(bytes, offset_of!(Refusal, tgid))?,
            target: word(bytes, offset_of!(Refusal, target)).filter(|target| *target != 0),
            more: long(bytes, offset_of!(Refusal, more))?,
            comm: text(offset_of!(Refusal, comm), 16)?,
            file: Some(text(offset_of!(Refusal, name), NAME_LENGTH)?).filter(|name| !name.is_empty()),
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(argc: u32, strings: &[u8], path: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<Filing>()];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, &7_u64.to_ne_bytes());
        put(offset_of!(Filing, argc), &argc.to_ne_bytes());
        put(offset_of!(Filing, length), &u32::try_from(strings.len()).unwrap().to_ne_bytes());
        put(offset_of!(Filing, path_length), &u32::try_from(path.len()).unwrap().to_ne_bytes());
        put(offset_of!(Filing, strings), strings);
        put(offset_of!(Filing, path), path);
        bytes
    }

    #[test]
    fn a_record_is_read_with_all_argument_boundaries() {
        let filed = Filed::parse(&record(3, b"id\0\0-u\0", b"/usr/bin/id\0")).unwrap();
        assert_eq!(filed.argv, [b"id".to_vec(), Vec::new(), b"-u".to_vec()]);
        assert_eq!((filed.hold, filed.path.as_slice()), (7, &b"/usr/bin/id"[..]));
    }

    #[test]
    fn a_damaged_record_is_none() {
        assert_eq!(Filed::parse(&record(2, b"id\0\0-u\0", b"/usr/bin/id\0")), None);
        assert_eq!(Filed::parse(&record(1, b"id", b"/usr/bin/id\0")), None);
        assert_eq!(Filed::parse(&record(1, b"id\0", b"")), None);
        assert_eq!(Filed::parse(&record(1, b"id\0", b"x\0")[..100]), None);
        let mut long = record(1, b"id\0", b"x\0");
        long[offset_of!(Filing, length)..][..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(Filed::parse(&long), None);
    }

    #[test]
    fn a_path_that_may_be_cut_names_nothing() {
        let mut path = vec![b'x'; FILED_PATH];
        path[FILED_PATH - 1] = 0;
        assert_eq!(Filed::parse(&record(1, b"id\0", &path)).unwrap().path, b"");
    }

    #[test]
    fn a_refusal_is_read_and_a_cut_one_is_none_at_every_length() {
        let mut record = [0_u8; size_of::<Refusal>()];
        record[offset_of!(Refusal, agent)] = 7;
        record[offset_of!(Refusal, what)] = holdpoint_abi::Counter::ReadRefused as u8;
        record[offset_of!(Refusal, tgid)] = 42;
        record[offset_of!(Refusal, more)] = 3;
        record[offset_of!(Refusal, comm)..][..3].copy_from_slice(b"cat");
        record[offset_of!(Refusal, name)..][..7].copy_from_slice(b"kubectl");
        let refused = Refused::parse(&record).unwrap();
        assert_eq!((refused.agent, refused.pid, refused.target, refused.more), (7, 42, None, 3));
        assert_eq!(refused.counter, holdpoint_abi::Counter::ReadRefused as usize);
        assert_eq!((refused.comm.as_slice(), refused.file.as_deref()), (&b"cat"[..], Some(&b"kubectl"[..])));
        for length in 0..record.len() {
            assert!(Refused::parse(&record[..length]).is_none(), "{length}");
        }
        record[offset_of!(Refusal, what)] = 255;
        assert!(Refused::parse(&record).is_none());
    }

    #[test]
    fn a_doorbell_is_read_and_a_cut_one_is_none() {
        let bytes: Vec<u8> = (1..=16).collect();
        assert_eq!(doorbell(&bytes).unwrap().hold, u64::from_ne_bytes([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(doorbell(&bytes[..15]), None);
    }
}
