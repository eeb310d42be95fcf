//! Agents: making what runs one, and listing them.

use holdpoint_core::wire::{AgentList, AttachAnswer, AttachBody};

use super::Context;
use crate::{failure::Failure, output, render};

/// Makes a running process or unit an agent's.
pub(super) async fn attach(context: &Context, body: AttachBody) -> Result<(), Failure> {
    let answer: AttachAnswer = context.client.post("/v1/agents", &body).await?;
    if context.json {
        return output::json(&answer);
    }
    output::print(&render::agents::attached(&body, &answer))
}

/// Prints the agents as trees.
pub(super) async fn list(context: &Context) -> Result<(), Failure> {
    let list: AgentList = context.client.get("/v1/agents").await?;
    if context.json {
        return output::json(&list);
    }
    output::print(&render::agents::trees(&list, context.style))
}
