//! The records of the kernel half's ring buffers.

use holdpoint_abi::{COUNTER_COUNT, FILED_ARGUMENTS, FILED_BYTES, FILED_PATH, Filing, NAME_LENGTH};
use holdpoint_core::record::{Filed, Refused, doorbell};

/// A record of any length and content is read within its own limits, or is none.
pub fn record(bytes: &[u8]) {
    // A filing has 8 KiB, which are zeros where the fuzzer says nothing.
    let mut whole = bytes.to_vec();
    whole.resize(size_of::<Filing>().max(bytes.len()), 0);
    for bytes in [bytes, &whole] {
        assert_eq!(doorbell(bytes).is_some(), bytes.len() >= 16);
        if let Some(filed) = Filed::parse(bytes) {
            assert!(filed.argv.len() <= FILED_ARGUMENTS && filed.path.len() < FILED_PATH);
            let length: usize = filed.argv.iter().map(|argument| argument.len() + 1).sum();
            assert!(length <= FILED_BYTES);
            assert!(!filed.argv.iter().any(|argument| argument.contains(&0)));
        }
        if let Some(refused) = Refused::parse(bytes) {
            assert!(refused.counter < COUNTER_COUNT && refused.comm.len() <= 16);
            assert!(!refused.comm.contains(&0));
            let file = refused.file.unwrap_or_else(|| b"x".to_vec());
            assert!((1..=NAME_LENGTH).contains(&file.len()) && !file.contains(&0));
        }
    }
}
