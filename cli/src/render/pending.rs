//! The table of what waits.

use holdpoint_core::{time::WallTime, wire::RequestView};

use super::{
    Style, WIDTH, summary,
    text::{columns, fit},
    time::{age, left},
};

const GAP: &str = "  ";

/// The widest that an agent's or a user's name gets.
const NAME: usize = 14;

/// The table, or a sentence when it would be empty.
pub(crate) fn table(requests: &[RequestView], now: WallTime, style: Style) -> String {
    if requests.is_empty() {
        return "nothing waits\n".to_owned();
    }
    let widest = |title: &str, cell: fn(&RequestView) -> String| {
        let cells = requests.iter().map(|view| columns(&cell(view)));
        cells.chain([columns(title)]).max().unwrap_or(0).min(NAME)
    };
    let (agent, user) = (widest("AGENT", summary::agent), widest("USER", summary::user));
    let fixed = 5 + agent + user + 5 + 5 + 5 * GAP.len();
    let command = WIDTH - fixed;
    let row = |cells: [&str; 6]| {
        let [id, agent_cell, user_cell, command_cell, age_cell, left_cell] = cells;
        [
            fit(id, 5),
            fit(agent_cell, agent),
            fit(user_cell, user),
            fit(command_cell, command),
            format!("{age_cell:>5}"),
            format!("{left_cell:>5}"),
        ]
    };
    let mut text = style.bold(&row(["ID", "AGENT", "USER", "COMMAND", "AGE", "LEFT"]).join(GAP)) + "\n";
    for view in requests {
        let (age, left) = (age(view.made_at, now), left(view.deadline, now));
        let (agent, user, command) = (summary::agent(view), summary::user(view), summary::command(view));
        text.push_str(&row([view.id.as_str(), &agent, &user, &command, &age, &left]).join(GAP));
        text.push('\n');
    }
    text
}
