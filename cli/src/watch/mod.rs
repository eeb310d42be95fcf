//! `holdpoint watch`: follows requests live, and on a terminal takes a decision with one key.

mod board;
mod screen;
mod terminal;

use std::io::{self, IsTerminal as _};

use holdpoint_core::wire::Change;

use crate::{commands::Context, failure::Failure, output, render};

/// Runs until the reader has gone, the daemon has, or a person ends it.
pub(crate) async fn watch(context: &Context) -> Result<(), Failure> {
    if context.json || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        lines(context).await
    } else {
        screen::run(context).await
    }
}

/// Prints each change as a line, for pipes and programs.
async fn lines(context: &Context) -> Result<(), Failure> {
    let mut events = context.client.events().await?;
    while let Some(change) = events.next().await? {
        match &change {
            _ if context.json => output::json(&change)?,
            Change::Request { request } => output::print(&render::summary::line(request, context.style))?,
            Change::Lagged => output::print("(some changes were missed; see 'holdpoint pending')\n")?,
        }
    }
    Err(Failure::Unavailable("holdpointd has ended the stream of changes; is it being restarted?".to_owned()))
}
