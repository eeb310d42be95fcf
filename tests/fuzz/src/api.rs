//! The API's JSON: what agents and people send to the daemon, and what the daemon sends to whoever reads its answers.

use holdpoint_core::{
    agent::check_name,
    escape,
    id::parse_prefix,
    wire::{
        AgentList, AttachBody, Change, Log, Problem, RequestList, RequestView, RunBody, Status, VoteBody,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use super::text::is_plain;

/// A body of any content is read or refused. What was read means the same when it is written and read again, and a
/// refusal can be shown.
///
/// The first byte says as what the rest is read.
pub fn api(bytes: &[u8]) {
    let [kind, body @ ..] = bytes else { return };
    match kind % 10 {
        0 => drop(read::<VoteBody>(body)),
        1 => drop(read::<RunBody>(body).map(|body| name(&body.name))),
        2 => drop(read::<AttachBody>(body).map(|body| name(&body.name))),
        3 => drop(read::<RequestView>(body)),
        4 => drop(read::<RequestList>(body)),
        5 => drop(read::<Change>(body)),
        6 => drop(read::<Log>(body)),
        7 => drop(read::<Status>(body)),
        8 => drop(read::<AgentList>(body)),
        _ => drop(read::<Problem>(body)),
    }
    match std::str::from_utf8(body).map(parse_prefix) {
        Ok(Ok(prefix)) => assert_eq!(parse_prefix(&prefix), Ok(prefix)),
        Ok(Err(cause)) => is_plain(&cause.to_string()),
        Err(_) => {}
    }
}

fn read<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(body: &[u8]) -> Option<T> {
    match serde_json::from_slice::<T>(body) {
        Ok(value) => {
            let written = serde_json::to_vec(&value).unwrap_or_default();
            let again = serde_json::from_slice::<T>(&written).map_err(|cause| cause.to_string());
            assert_eq!(again.as_ref(), Ok(&value), "{}", String::from_utf8_lossy(&written));
            Some(value)
        }
        Err(cause) => {
            is_plain(&escape::for_terminal(cause.to_string().as_bytes()));
            None
        }
    }
}

fn name(name: &str) {
    match check_name(name) {
        Ok(()) => assert!(name.bytes().all(|byte| byte.is_ascii_graphic())),
        Err(why) => is_plain(&why),
    }
}
