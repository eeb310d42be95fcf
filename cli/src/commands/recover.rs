//! `holdpoint recover`: for the operator who is locked out. What is held and why, and how to get out, with or without a
//! daemon.

use std::{fs, path::Path};

use holdpoint_core::{
    alleged::Alleged,
    request::VoteKind,
    wire::{RequestList, RequestView, Status, VoteBody},
};
use serde::Serialize;

use crate::{
    client::Client,
    clock,
    commands::{LIST_LIMIT, cast},
    failure::Failure,
    output,
    render::{self, Style},
};

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    /// How the daemon is; none where it cannot be asked.
    pub(crate) status: Option<Status>,
    /// Why it cannot be asked.
    pub(crate) trouble: Option<String>,
    /// What waits for a person, as the daemon says.
    pub(crate) pending: Vec<RequestView>,
    /// Processes that stand still in an exec, as `/proc` says: without a daemon that is all there is.
    pub(crate) stopped: Vec<Stopped>,
}

/// A process that is stopped in an exec. Not every one has to be holdpoint's.
#[derive(Debug, Serialize)]
pub(crate) struct Stopped {
    /// Its process id.
    pub(crate) pid: u32,
    /// Its parent's process id.
    pub(crate) parent: u32,
    /// The name of its first thread.
    pub(crate) comm: Alleged,
}

/// execve and execveat, of x86-64 and of i386.
const EXECS: [&str; 4] = ["59", "322", "11", "358"];

pub(super) async fn recover(socket: &Path, deny_all: bool, json: bool, style: Style) -> Result<(), Failure> {
    let client = Client::new(socket)?;
    let path = format!("/v1/requests?state=pending&limit={LIST_LIMIT}");
    let mut findings = Findings { status: None, trouble: None, pending: Vec::new(), stopped: Vec::new() };
    match client.get::<Status>("/v1/status").await {
        Ok(status) => {
            findings.pending = client.get::<RequestList>(&path).await?.requests;
            findings.status = Some(status);
        }
        // Whoever may not ask shall not see more here.
        Err(failure @ (Failure::Refused(_) | Failure::NotPermitted(_))) => return Err(failure),
        Err(failure) => {
            findings.trouble = Some(failure.to_string());
            findings.stopped = stopped();
        }
    }
    if json {
        output::json(&findings)?;
    } else {
        output::print(&render::recover::page(&findings, clock::now(), style))?;
    }
    if deny_all {
        return deny(&client, &findings).await;
    }
    Ok(())
}

async fn deny(client: &Client, findings: &Findings) -> Result<(), Failure> {
    if let Some(trouble) = &findings.trouble {
        return Err(Failure::Unavailable(format!(
            "cannot deny anything without the daemon: {trouble}; \
             'holdpointd --take-down' denies all that is held, and opens the gate"
        )));
    }
    let body = VoteBody {
        verdict: VoteKind::Deny,
        reason: Some("holdpoint recover --deny-all".to_owned()),
        processes: None,
    };
    let mut left = 0;
    for request in &findings.pending {
        if let Err(failure) = cast(client, request.id.as_str(), &body).await {
            // One that has ended meanwhile needs no denial.
            failure.report();
            left += 1;
        }
    }
    let denied = findings.pending.len() - left;
    output::print(&format!("denied {denied} requests\n"))?;
    if left == 0 { Ok(()) } else { Err(Failure::No(format!("{left} requests could not be denied"))) }
}

/// Processes that stand still in an exec. Only root sees those of others.
fn stopped() -> Vec<Stopped> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<Stopped> = pids.filter_map(look).collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn look(pid: u32) -> Option<Stopped> {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
    let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split_ascii_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    // Only then: of a process that runs, the look can wait for it.
    if state != "T" {
        return None;
    }
    let call = String::from_utf8_lossy(&read("syscall")?).into_owned();
    let number = call.split_ascii_whitespace().next()?;
    let comm = Alleged(read("comm")?.trim_ascii_end().to_vec());
    EXECS.contains(&number).then_some(Stopped { pid, parent, comm })
}
