//! `holdpoint log`.

use std::{fmt::Write as _, time::Duration};

use holdpoint_core::wire::Log;

use super::Context;
use crate::{client::id_prefix, failure::Failure, output, render};

/// How often `--follow` asks for more.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

/// So many entries are asked for at once.
const PAGE: u32 = 1000;

pub(super) async fn log(
    context: &Context,
    limit: u32,
    request: Option<&str>,
    follow: bool,
) -> Result<(), Failure> {
    let request = request.map(id_prefix).transpose()?.map_or_else(String::new, |id| format!("&request={id}"));
    let mut log: Log = context.client.get(&format!("/v1/log?limit={limit}{request}")).await?;
    if context.json && !follow {
        return output::json(&log);
    }
    let mut last = 0;
    loop {
        print(context, &log)?;
        if !follow {
            return Ok(());
        }
        last = log.entries.last().map_or(last, |entry| entry.seq);
        // A full page means that there is more already.
        if log.entries.len() < PAGE as usize {
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
        log = context.client.get(&format!("/v1/log?after={last}&limit={PAGE}{request}")).await?;
    }
}

/// Prints entries; as JSON one a line.
fn print(context: &Context, log: &Log) -> Result<(), Failure> {
    if context.json {
        return log.entries.iter().try_for_each(output::json);
    }
    let mut text = String::new();
    for entry in &log.entries {
        let _ = write!(text, "{}", render::log::entry(entry, context.style));
    }
    output::print(&text)
}
