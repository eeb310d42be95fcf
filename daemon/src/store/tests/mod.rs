//! Tests with a real file.

mod damage;
mod flood;
mod killed;
mod record;

use std::{num::NonZeroU64, path::Path, time::Duration};

use holdpoint_core::{
    id::{AgentId, HoldId, RequestId},
    policy::{Action, Decision, LoaderVariables, Wait},
    request::{Outcome, Request, State, Verdict},
    time::{BootTime, WallTime},
    wire::LogEvent,
};

use super::{NewAgent, Store, StoredRequest, Write};

/// A directory as the daemon's state directory is: nobody else can write there.
fn state_directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn open(directory: &Path) -> Store {
    Store::open(directory).unwrap_or_else(|error| panic!("{error}"))
}

fn new_agent(name: &str) -> NewAgent {
    NewAgent {
        name: name.to_owned(),
        claim: Some(b"fix \xff the build"[..].into()),
        root_pid: 4711,
        root_start: u64::MAX,
        boot_id: "boot-1".to_owned(),
        uid: 1000,
        login_uid: None,
        tagged_at: WallTime(1_700_000_000_000),
    }
}

fn pending(bits: u32, agent: AgentId) -> StoredRequest {
    let request = Request {
        id: RequestId::from_random(bits),
        // The high bit is set, so that the stored number is a negative one.
        hold: HoldId(NonZeroU64::new((1 << 63) | u64::from(bits)).unwrap()),
        wait: Wait::Hold,
        made_at: BootTime(1_000_000_000),
        deadline: BootTime(61_000_000_000),
        valid_for: Duration::from_secs(30),
        state: State::Pending,
    };
    StoredRequest {
        request,
        agent,
        agent_name: "claude".to_owned(),
        boot_id: "boot-1".to_owned(),
        decision: Decision {
            action: Action::Ask,
            rule: Some("cloud".to_owned()),
            description: None,
            risk: None,
            message: None,
            deny_message: None,
            because: "name 'kubectl'".to_owned(),
            timeout: Duration::from_mins(1),
            valid_for: Duration::from_secs(30),
            wait: Wait::Hold,
            loader_variables: LoaderVariables::RefuseLd,
            grant: None,
            would_be: None,
        },
        facts: None,
        bound: None,
        with: None,
        votes: Vec::new(),
        made_at: WallTime(1_700_000_000_000),
        ended_at: None,
        note: None,
    }
}

fn ended(mut stored: StoredRequest) -> StoredRequest {
    stored.request.state = State::Ended { verdict: Verdict::Denied, outcome: Outcome::Refused };
    stored
}

fn store_new(store: &mut Store, stored: &StoredRequest) {
    store.write(&[Write::NewRequest(Box::new(stored.clone()))]).unwrap();
}

fn log_entry(rules: u64) -> Write {
    Write::Log { at: WallTime(rules), request: None, agent: None, event: LogEvent::PolicyLoaded { rules } }
}
