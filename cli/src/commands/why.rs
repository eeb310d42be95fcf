//! `holdpoint why`: an agent asks what it was refused.

use holdpoint_core::wire::{RefusalList, RequestList};

use super::Context;
use crate::{clock, failure::Failure, output, render};

pub(super) async fn why(context: &Context) -> Result<(), Failure> {
    let refusals: RefusalList = context.client.get("/v1/refusals").await?;
    if context.json {
        return output::json(&refusals);
    }
    let waits: RequestList = context.client.get("/v1/requests").await?;
    let page = render::why::page(&refusals.refusals, &waits.requests, clock::now(), context.style);
    output::print(&page)
}
