//! Who may use the control socket, and who may vote.

use std::{fmt, fs, sync::Arc, time::Duration};

use holdpoint_core::{request::Voter, time::BootTime, wire::Problem};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use super::{desk::Peer, problem::Kind};

/// How long the host may take to say who is in which group. A directory server that hangs costs the caller
/// an error, and nobody else anything.
const LOOKUP_TIME: Duration = Duration::from_secs(5);

/// What `/proc/PID/loginuid` says of a process that nobody logged in for.
const NO_LOGIN: u32 = u32::MAX;

/// Who may decide.
#[derive(Clone)]
pub(crate) struct Access {
    /// The group whose members may decide beside root; none means root alone.
    pub group: Option<String>,
    /// Whether a vote needs a login user id.
    pub require_login_uid: bool,
    /// Whether a process belongs to an agent. Asked at each call, so it must answer without waiting; it
    /// must say yes where it does not know.
    pub is_agent: Arc<dyn Fn(u32) -> bool + Send + Sync>,
    /// The boot clock.
    pub now: Arc<dyn Fn() -> BootTime + Send + Sync>,
}

impl Access {
    /// Whether the peer may use the control socket at all. Looked up at each call and never remembered, so
    /// that leaving the group has its effect at once.
    ///
    /// # Errors
    /// With the answer for the caller: why not, and what would help.
    pub(super) async fn admit(&self, peer: Peer) -> Result<(), Problem> {
        let Some(pid) = peer.pid else {
            return Err(Kind::AgentMayNot.with(
                "cannot see which process calls: it is in another pid namespace; call from the host's own",
            ));
        };
        if (self.is_agent)(pid) {
            return Err(Kind::AgentMayNot.with(format!(
                "process {pid} belongs to an agent, and agents decide nothing; \
                 decide from a terminal that was not started by an agent"
            )));
        }
        if peer.uid == 0 {
            return Ok(());
        }
        let Some(group) = self.group.clone() else {
            return Err(Kind::NotPermitted.with(format!(
                "uid {} may not use the control socket: only root may; set 'approver_group' in /etc/holdpoint/config.toml",
                peer.uid
            )));
        };
        in_time(move || member(peer.uid, &group)).await?
    }

    /// Who votes.
    ///
    /// # Errors
    /// With the answer for the caller, when a login is needed and there is none.
    pub(super) async fn voter(&self, peer: Peer, channel: &str) -> Result<Voter, Problem> {
        if self.require_login_uid && peer.login_uid.is_none() {
            return Err(Kind::NoLogin.with(format!(
                "cannot tell who votes: process {} of uid {} has no login uid, as is so for services and cron jobs; \
                 vote from a login (ssh, console, sudo in one), or set 'require_login_uid = false' in \
                 /etc/holdpoint/config.toml",
                peer.pid.unwrap_or_default(),
                peer.uid
            )));
        }
        self.who(peer, channel).await
    }

    /// Who calls, for what needs no login: a service may make a process an agent, which takes rights away.
    ///
    /// # Errors
    /// With the answer for the caller, when names cannot be looked up.
    pub(super) async fn who(&self, peer: Peer, channel: &str) -> Result<Voter, Problem> {
        let person = peer.login_uid.unwrap_or(peer.uid);
        let name = in_time(move || Ok(user_name(person))).await??;
        Ok(Voter { name, uid: peer.uid, login_uid: peer.login_uid, channel: channel.to_owned() })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("group", &self.group)
            .field("require_login_uid", &self.require_login_uid)
            .finish_non_exhaustive()
    }
}

/// The login user id of a process, as audit keeps it.
pub(super) fn login_uid(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

/// Runs a look-up that may go over a network, on a thread of its own.
async fn in_time<T: Send + 'static>(
    lookup: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<Result<T, Problem>, Problem> {
    match tokio::time::timeout(LOOKUP_TIME, tokio::task::spawn_blocking(lookup)).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) => Err(Kind::Internal.with("cannot look up users and groups: the look-up failed inside")),
        Err(_) => Err(Kind::Unavailable.with(format!(
            "cannot look up users and groups within {LOOKUP_TIME:?}; see nsswitch.conf and its directory servers"
        ))),
    }
}

fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}

/// Whether the user is in the group now, by the host's own data, not by what the process carries along.
fn member(uid: u32, group: &str) -> Result<(), Problem> {
    let failed =
        |what: String| Kind::NotPermitted.with(format!("cannot look up {what}, so it may not decide"));
    let wanted = Group::from_name(group)
        .map_err(|cause| failed(format!("group '{group}' for uid {uid}: {cause}")))?
        .ok_or_else(|| {
            Kind::NotPermitted.with(format!(
                "uid {uid} may not use the control socket: group '{group}' does not exist; \
                 run 'groupadd --system {group}' or correct 'approver_group' in /etc/holdpoint/config.toml"
            ))
        })?;
    let user = User::from_uid(Uid::from_raw(uid))
        .map_err(|cause| failed(format!("uid {uid}: {cause}")))?
        .ok_or_else(|| failed(format!("uid {uid}: the host knows no such user")))?;
    if groups_of(&user)
        .map_err(|cause| failed(format!("the groups of '{}': {cause}", user.name)))?
        .contains(&wanted.gid)
    {
        return Ok(());
    }
    Err(Kind::NotPermitted.with(format!(
        "user '{0}' may not use the control socket: not a member of group '{group}'; \
         run 'gpasswd --add {0} {group}' as root",
        user.name
    )))
}

fn groups_of(user: &User) -> nix::Result<Vec<Gid>> {
    let name = std::ffi::CString::new(user.name.as_bytes()).map_err(|_| nix::Error::EINVAL)?;
    getgrouplist(&name, user.gid)
}
