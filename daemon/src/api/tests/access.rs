//! Who may decide, by the users and groups that every Debian has.

use super::*;

async fn refusal(access: &Access, peer: Peer) -> Problem {
    access.admit(peer).await.expect_err("the caller should be refused")
}

fn group(name: &str) -> Access {
    Access { group: Some(name.into()), ..root_only() }
}

#[tokio::test]
async fn root_and_members_may_and_others_may_not() {
    assert_eq!(root_only().admit(peer(0)).await, Ok(()));
    // `nobody` has `nogroup` as its primary group, and no other.
    assert_eq!(group("nogroup").admit(peer(65534)).await, Ok(()));
    let not_member = refusal(&group("adm"), peer(65534)).await;
    assert!(not_member.detail.contains("gpasswd --add nobody adm"), "{}", not_member.detail);
    let no_group = refusal(&root_only(), peer(65534)).await;
    assert!(no_group.detail.contains("only root may"), "{}", no_group.detail);
    let no_such_group = refusal(&group("no-such-group-here"), peer(65534)).await;
    assert!(no_such_group.detail.contains("does not exist"), "{}", no_such_group.detail);
    let unknown_user = refusal(&group("adm"), peer(3_999_999_999)).await;
    assert!(unknown_user.detail.contains("no such user"), "{}", unknown_user.detail);
}

#[tokio::test]
async fn the_group_that_a_process_carries_does_not_count() {
    let adm = nix::unistd::Group::from_name("adm").unwrap().unwrap().gid.as_raw();
    let carries = Peer { gid: adm, ..peer(65534) };
    assert_eq!(refusal(&group("adm"), carries).await.status, 403);
}

#[tokio::test]
async fn an_agent_may_not_even_as_root_and_neither_may_a_process_out_of_sight() {
    let access = Access { is_agent: Arc::new(|pid| pid == 4711), ..root_only() };
    assert!(refusal(&access, peer(0)).await.kind.ends_with(":agent-may-not"));
    let hidden = Peer { pid: None, ..peer(0) };
    assert!(refusal(&root_only(), hidden).await.kind.ends_with(":agent-may-not"));
}

#[tokio::test]
async fn a_vote_needs_a_login_unless_that_is_waived() {
    let strict = Access { require_login_uid: true, ..root_only() };
    let service = Peer { login_uid: None, ..peer(0) };
    let problem = strict.voter(service, "api").await.unwrap_err();
    assert!(
        problem.kind.ends_with(":no-login") && problem.detail.contains("require_login_uid"),
        "{}",
        problem.detail
    );
    let voter = root_only().voter(service, "api").await.unwrap();
    assert_eq!((voter.name.as_str(), voter.uid, voter.login_uid), ("root", 0, None));
}

#[tokio::test]
async fn the_voter_is_who_logged_in_not_whom_they_switched_to() {
    let switched = Peer { login_uid: Some(65534), ..peer(0) };
    let voter = root_only().voter(switched, "cli").await.unwrap();
    assert_eq!((voter.name.as_str(), voter.uid, voter.channel.as_str()), ("nobody", 0, "cli"));
    let unknown = Peer { login_uid: Some(3_999_999_999), ..peer(0) };
    assert_eq!(root_only().voter(unknown, "cli").await.unwrap().name, "uid 3999999999");
}
