//! What is written is what is read.

use holdpoint_core::{
    alleged::Alleged,
    facts::{AgentFacts, ExecFacts, FileFacts, UserFacts},
    id::{AgentId, RequestId},
    request::{Outcome, State, Verdict, Vote, VoteKind, Voter},
    time::{BootTime, WallTime},
    wire::LogEvent,
};

use crate::bound::{Bound, FileVersion, Strings};

use super::{
    super::{Found, StoreError, Write},
    *,
};

fn vote() -> Vote {
    let voter = Voter { name: "alice".into(), uid: 0, login_uid: Some(1000), channel: "cli".into() };
    Vote { kind: VoteKind::Approve, voter, reason: Some("ok".into()), at: WallTime(7) }
}

fn facts(agent: AgentId) -> ExecFacts {
    ExecFacts {
        agent: AgentFacts { id: agent, name: "claude".into(), claim: None },
        user: UserFacts { uid: 1000, euid: 0, name: None, login_uid: Some(1000), login_name: None },
        pid: 1,
        tid: 2,
        host: "h".into(),
        executable: FileFacts {
            path: Alleged::from("/usr/bin/kubectl"),
            sha256: "00".into(),
            owner: 0,
            owner_name: None,
            mode: 0o755,
            size: 5,
            interpreter: None,
        },
        called: Alleged::from(&b"kub\xff"[..]),
        argv: vec![Alleged::from(&b"a\0b\x1b[2J"[..])],
        cwd: Alleged::from("/"),
        tty: None,
        parents: Vec::new(),
        cgroup: Alleged::default(),
        unit: None,
        env: [("PATH".to_owned(), Alleged::from("/bin"))].into(),
        loader_variables: vec!["LD_PRELOAD".to_owned()],
        other_env: Some(vec!["HOME".into()]),
        is_interpreter: true,
    }
}

#[test]
fn a_request_with_its_votes_and_agent_survives_a_restart() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let agent = store.new_agent(&new_agent("claude")).unwrap();
    let mut stored = pending(0x155_5555, agent);
    stored.facts = Some(facts(agent));
    stored.note = Some("argv was cut".into());
    let strings = Strings::of([u64::MAX, 1], &[b"a".to_vec()], &[], b"/a").unwrap();
    stored.bound = Some(Bound::new(strings, FileVersion { changed_at: u64::MAX, size: 5 }));
    store_new(&mut store, &stored);
    store.write(&[Write::Vote { request: stored.request.id.clone(), vote: vote() }]).unwrap();
    stored.votes.push(vote());
    drop(store);

    let store = open(directory.path());
    assert_eq!(store.request(&stored.request.id).unwrap().as_ref(), Some(&stored));
    assert_eq!(store.open_requests().unwrap(), [stored]);
    assert_eq!(store.agent(agent).unwrap().unwrap().agent, new_agent("claude"));
    assert_eq!(store.agent(AgentId(99)).unwrap(), None);
}

#[test]
fn an_update_changes_the_state_and_keeps_what_it_does_not_mention() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let agent = store.new_agent(&new_agent("claude")).unwrap();
    let mut stored = pending(1, agent);
    stored.note = Some("first".into());
    store_new(&mut store, &stored);
    stored.request.state =
        State::Ended { verdict: Verdict::Approved, outcome: Outcome::Executed { status: Some(256) } };
    stored.ended_at = Some(WallTime(9));
    let update =
        Write::UpdateRequest { request: stored.request.clone(), ended_at: stored.ended_at, note: None };
    store.write(&[update]).unwrap();
    assert_eq!(store.request(&stored.request.id).unwrap(), Some(stored));
    assert_eq!(store.open_requests().unwrap(), []);
}

#[test]
fn agents_get_numbers_from_one_that_are_never_given_again() {
    let directory = state_directory();
    let mut store = open(directory.path());
    assert_eq!(store.new_agent(&new_agent("a")).unwrap(), AgentId(1));
    assert_eq!(store.new_agent(&new_agent("b")).unwrap(), AgentId(2));
    store.connection.execute("DELETE FROM agents WHERE id = 2", []).unwrap();
    drop(store);
    assert_eq!(open(directory.path()).new_agent(&new_agent("c")).unwrap(), AgentId(3));
}

#[test]
fn a_prefix_means_the_pending_request_before_any_ended_one() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let agent = store.new_agent(&new_agent("claude")).unwrap();
    // The lowest five bits are the first character: these all begin with `1`.
    let (first, second, third) =
        (pending(0b00001, agent), pending(0b0001_00001, agent), pending(0b0010_00001, agent));
    store_new(&mut store, &first);
    store_new(&mut store, &ended(second.clone()));
    let id = |stored: &StoredRequest| stored.request.id.clone();
    assert_eq!(store.find("1").unwrap(), Found::One(id(&first)));
    assert_eq!(store.find(second.request.id.as_str()).unwrap(), Found::One(id(&second)));
    store_new(&mut store, &third);
    assert_eq!(store.find("1").unwrap(), Found::Many(vec![id(&third), id(&first)]));
    for stored in [&first, &third] {
        let request = ended(stored.clone()).request;
        store.write(&[Write::UpdateRequest { request, ended_at: None, note: None }]).unwrap();
    }
    assert_eq!(store.find("1").unwrap(), Found::Many(vec![id(&third), id(&second), id(&first)]));
    assert_eq!(store.find("z").unwrap(), Found::None);
    assert!(store.id_in_use(&id(&second)).unwrap());
    assert!(!store.id_in_use(&RequestId::from_random(u32::MAX)).unwrap());
}

#[test]
fn lists_have_the_limit_and_the_order_that_they_are_asked_for() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let agent = store.new_agent(&new_agent("claude")).unwrap();
    let all: Vec<_> = (1..=5)
        .map(|bits| if bits == 2 { ended(pending(bits, agent)) } else { pending(bits, agent) })
        .collect();
    let batch: Vec<_> = all.iter().map(|stored| Write::NewRequest(Box::new(stored.clone()))).collect();
    store.write(&batch).unwrap();
    assert_eq!(store.pending(2).unwrap(), [all[0].clone(), all[2].clone()]);
    assert_eq!(store.recent(2).unwrap(), all[3..]);
    assert_eq!(store.recent(100).unwrap(), all);
}

#[test]
fn lists_of_open_requests_do_not_read_the_history() {
    let directory = state_directory();
    let store = open(directory.path());
    let plan = |sql: &str| -> String {
        let mut statement = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    };
    let open = "SELECT id FROM requests WHERE phase <> 'ended' AND phase = 'pending' ORDER BY number LIMIT 5";
    assert!(plan(open).contains("requests_open"), "{}", plan(open));
    let log = "SELECT seq FROM log WHERE seq > 7 AND request = 'x' ORDER BY seq DESC LIMIT 5";
    assert!(plan(log).contains("log_by_request"), "{}", plan(log));
}

#[test]
fn a_batch_is_written_wholly_or_not_at_all_and_the_log_has_no_gap() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let agent = store.new_agent(&new_agent("claude")).unwrap();
    let stored = pending(3, agent);
    store.write(&[log_entry(1), Write::NewRequest(Box::new(stored.clone())), log_entry(2)]).unwrap();
    let twice = store.write(&[log_entry(3), Write::NewRequest(Box::new(stored.clone()))]).unwrap_err();
    assert!(matches!(twice, StoreError::Sqlite { .. }), "{twice}");
    let unknown = ended(pending(4, agent)).request;
    let missing = store
        .write(&[log_entry(3), Write::UpdateRequest { request: unknown, ended_at: None, note: None }])
        .unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
    let mut stranger = pending(5, AgentId(77));
    stranger.agent_name.clear();
    store.write(&[log_entry(3), Write::NewRequest(Box::new(stranger))]).unwrap_err();
    let mut same_hold = pending(6, agent);
    same_hold.request.hold = stored.request.hold;
    store.write(&[Write::NewRequest(Box::new(same_hold))]).unwrap_err();
    store.write(&[log_entry(4)]).unwrap();
    let seqs: Vec<_> = store.log(None, 100, None).unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[test]
fn the_log_is_read_forwards_from_a_number_or_from_its_end() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let id = RequestId::from_random(9);
    let about = |n| Write::Log {
        at: WallTime(n),
        request: Some(id.clone()),
        agent: Some("c".into()),
        event: LogEvent::Stopped,
    };
    store.write(&[log_entry(1), about(2), log_entry(3), about(4), log_entry(5)]).unwrap();
    let seqs = |after, limit, request| -> Vec<u64> {
        store.log(after, limit, request).unwrap().iter().map(|entry| entry.seq).collect()
    };
    assert_eq!(seqs(None, 2, None), [4, 5]);
    assert_eq!(seqs(Some(0), 2, None), [1, 2]);
    assert_eq!(seqs(Some(3), 9, None), [4, 5]);
    assert_eq!(seqs(None, 9, Some(&id)), [2, 4]);
    assert_eq!(seqs(Some(2), 9, Some(&id)), [4]);
    assert!(seqs(Some(u64::MAX), 9, None).is_empty());
}

#[test]
fn deadlines_follow_the_boot_clock_while_they_run_and_stand_still_after() {
    let mut stored = pending(1, AgentId(1));
    let late = BootTime(31_000_000_000);
    // Somebody has set the wall clock back by far: thirty seconds are left all the same.
    assert_eq!(stored.view(late, WallTime(5_000)).deadline, WallTime(35_000));
    // After a reboot the boot clock says nothing of this request.
    assert_eq!(stored.view(BootTime(1), WallTime(5_000)).deadline, WallTime(1_700_000_060_000));
    stored.request.state = State::Approved { valid_until: BootTime(41_000_000_000) };
    let view = stored.view(late, WallTime(5_000));
    assert_eq!((view.deadline, view.valid_until), (WallTime(1_700_000_060_000), Some(WallTime(15_000))));
}

#[test]
fn a_declared_agent_keeps_its_number_and_is_another_than_those_of_its_name() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let started = store.new_agent(&new_agent("ci")).unwrap();
    let declared = store.declared_agent("ci", WallTime(5)).unwrap();
    assert_ne!(started, declared);
    drop(store);
    let mut store = open(directory.path());
    assert_eq!(store.declared_agent("ci", WallTime(9)).unwrap(), declared);
    assert_eq!(store.declared_agent_id("ci").unwrap(), Some(declared));
    assert_eq!(store.declared_agent_id("other").unwrap(), None);
    let is_declared = |id| store.agent(id).unwrap().unwrap().declared;
    assert!(!is_declared(started) && is_declared(declared));
}
