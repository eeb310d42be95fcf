//! What limits need of the record.

use super::*;

fn made(bits: u32, agent: AgentId, at: u64) -> StoredRequest {
    let mut stored = pending(bits, agent);
    stored.request.made_at = BootTime(at);
    stored
}

#[test]
fn what_was_made_since_then_is_read_the_oldest_first_and_of_this_boot_alone() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let (one, other) = (store.new_agent(&new_agent("a")).unwrap(), store.new_agent(&new_agent("b")).unwrap());
    let mut before = made(1, one, 900);
    before.boot_id = "boot-0".to_owned();
    let mut denied = made(4, other, 300);
    denied.decision.action = Action::Deny;
    let mut with = made(5, one, 400);
    with.with = Some(before.request.id.clone());
    for stored in [&before, &made(2, one, 100), &made(3, one, 200), &denied, &with] {
        store_new(&mut store, stored);
    }
    let since = |at| store.made_since("boot-1", BootTime(at)).unwrap();
    let asked = |at| (one, Action::Ask, BootTime(at));
    assert_eq!(since(0), [asked(100), asked(200), (other, Action::Deny, BootTime(300))]);
    assert_eq!(since(200), [asked(200), (other, Action::Deny, BootTime(300))]);
    assert_eq!(store.made_since("boot-2", BootTime(0)).unwrap(), []);
    assert_eq!(store.request(&with.request.id).unwrap().unwrap().with, Some(before.request.id));
}

#[test]
fn what_was_denied_since_then_is_read_in_the_order_of_the_denials() {
    let directory = state_directory();
    let mut store = open(directory.path());
    let agent = store.new_agent(&new_agent("a")).unwrap();
    let all = [made(1, agent, 100), made(2, agent, 200), made(3, agent, 300)];
    all.iter().for_each(|stored| store_new(&mut store, stored));
    let deny =
        |stored: &StoredRequest, at| Write::Denied { request: stored.request.id.clone(), at: BootTime(at) };
    store.write(&[deny(&all[1], 1000), deny(&all[0], 2000)]).unwrap();
    let since = |boot: &str, at| -> Vec<(RequestId, BootTime)> {
        let denied = store.denied_since(boot, BootTime(at)).unwrap();
        denied.into_iter().map(|(stored, at)| (stored.request.id, at)).collect()
    };
    let [first, second, _] = all.map(|stored| stored.request.id);
    assert_eq!(since("boot-1", 0), [(second, BootTime(1000)), (first.clone(), BootTime(2000))]);
    assert_eq!(since("boot-1", 1001), [(first, BootTime(2000))]);
    assert_eq!(since("boot-2", 0), []);
}
