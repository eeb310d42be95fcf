//! People who decide whatever comes, while the daemon dies and comes back: they try again, as people would.

use std::thread::{self, JoinHandle};

use holdpoint_core::{
    request::State,
    wire::{Change, RequestView, VoteBody},
};

use super::{
    api::{CONTROL_SOCKET, Client, Events},
    ledger::{token, verdict_on},
    wait::Shared,
};

/// Those people, until they are sent home.
pub(crate) struct Persons {
    at_work: Shared<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Persons {
    /// They decide by the token alone.
    pub(crate) fn begin() -> Self {
        let at_work = Shared::new(true);
        let seen = at_work.clone();
        let thread = thread::spawn(move || {
            while seen.look(|at_work| *at_work) {
                // However it ends, the daemon has died, or does not live yet: they look again.
                if decide_until_the_daemon_dies().is_err() {
                    thread::park_timeout(std::time::Duration::from_millis(20));
                }
            }
        });
        Self { at_work, thread: Some(thread) }
    }

    /// Sends them home. The daemon must be dead, or they would never notice.
    pub(crate) fn end(mut self) {
        self.at_work.change(|at_work| *at_work = false);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "somebody could not vote");
    }
}

impl Drop for Persons {
    fn drop(&mut self) {
        // After a test that failed they must not decide in the next one.
        self.at_work.change(|at_work| *at_work = false);
    }
}

fn decide_until_the_daemon_dies() -> std::io::Result<()> {
    let events = Events::try_begin()?;
    let mut client = Client::connect_to(CONTROL_SOCKET.as_ref())?;
    for change in events {
        match change {
            Change::Request { request } if request.state == State::Pending => vote(&mut client, &request)?,
            Change::Request { .. } => {}
            // What was missed is told again to those who begin anew.
            Change::Lagged => return Ok(()),
        }
    }
    Ok(())
}

fn vote(client: &mut Client, request: &RequestView) -> std::io::Result<()> {
    let verdict = verdict_on(&token(request));
    let body = VoteBody { verdict, reason: Some("decided by a test".to_owned()), processes: None };
    let path = format!("/v1/requests/{}/votes", request.id);
    match client.try_call::<RequestView>("POST", &path, &body)? {
        Ok(counted) => {
            assert_ne!(counted.state, State::Pending, "a vote on {} changed nothing", request.id);
            Ok(())
        }
        // The change was told before the vote that it is about had come.
        Err(problem) if problem.kind.ends_with(":already-decided") => Ok(()),
        Err(problem) if problem.status == 503 => Err(std::io::Error::other(problem.detail)),
        Err(problem) => panic!("vote on {}: {problem:?}", request.id),
    }
}
