//! The live view: the shown request in full, below it one line with the keys.

use std::time::{Duration, Instant};

use holdpoint_core::wire::{Change, VoteBody};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    board::{Act, Board, Effect},
    terminal::Terminal,
};
use crate::{
    client::Events,
    clock,
    commands::{Context, cast},
    failure::Failure,
    output, render,
};

/// How often the time left is written anew.
const TICK: Duration = Duration::from_secs(1);

/// Goes to the beginning of the line of keys and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";

const HELP: &str = "\
a  approve the request that is shown: its exec goes on
d  deny it: its exec fails with EPERM
n  show the next one; p  show the one before
q  end (nothing is decided by that)
A key that is typed before a request has been on the screen for a moment decides nothing.
";

struct Screen<'a> {
    context: &'a Context,
    board: Board,
    terminal: Terminal,
    begin: Instant,
}

/// Runs until a person ends it. The terminal is put back however it ends.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    // Whether there is a daemon is found out before the terminal is touched.
    let mut events = context.client.events().await?;
    let mut screen =
        Screen { context, board: Board::default(), terminal: Terminal::open()?, begin: Instant::now() };
    screen.show()?;
    while screen.follow(&mut events).await? == Left::Stream {
        output::print(&format!("{CLEAR_LINE}the stream has ended; connecting again\n"))?;
        let Some(again) = screen.reconnect().await? else { break };
        events = again;
    }
    output::print(CLEAR_LINE)
}

/// Why following has stopped.
#[derive(PartialEq, Eq)]
enum Left {
    /// A person or a signal ended it.
    Asked,
    /// The stream is no more, or has missed something.
    Stream,
}

impl Screen<'_> {
    async fn follow(&mut self, events: &mut Events) -> Result<Left, Failure> {
        let mut stop = Stop::new()?;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(Left::Asked),
                // Changes before keys: a key is for what is true now.
                change = events.next() => match change {
                    Ok(Some(Change::Request { request })) => {
                        let now = self.now();
                        if self.board.change(*request, now) == Effect::Show {
                            self.show()?;
                        }
                    }
                    Ok(Some(Change::Lagged) | None) | Err(Failure::Unavailable(_)) => return Ok(Left::Stream),
                    Err(failure) => return Err(failure),
                },
                key = self.terminal.key() => {
                    let Some(key) = key else { return Ok(Left::Asked) };
                    if self.key(key).await? == Key::Quit {
                        return Ok(Left::Asked);
                    }
                }
                _ = tick.tick() => {}
            }
            self.prompt()?;
        }
    }

    /// Tries again until the daemon is back; none when a person ends it meanwhile.
    async fn reconnect(&mut self) -> Result<Option<Events>, Failure> {
        let mut stop = Stop::new()?;
        self.board.clear();
        loop {
            match self.context.client.events().await {
                Ok(events) => {
                    self.show()?;
                    return Ok(Some(events));
                }
                Err(Failure::Unavailable(_)) => {}
                Err(failure) => return Err(failure),
            }
            tokio::select! {
                () = stop.asked() => return Ok(None),
                () = self.no_more_keys() => return Ok(None),
                () = sleep(TICK) => {}
            }
        }
    }

    /// Waits until a person types `q` or has gone.
    async fn no_more_keys(&mut self) {
        while self.terminal.key().await.is_some_and(|key| !key.eq_ignore_ascii_case(&b'q')) {}
    }

    async fn key(&mut self, key: u8) -> Result<Key, Failure> {
        let now = self.now();
        match self.board.key(key, now) {
            Act::Nothing => {}
            Act::TooSoon => output::print(&format!("{CLEAR_LINE}(too soon: read it first)\n"))?,
            Act::Quit => return Ok(Key::Quit),
            Act::Show => self.show()?,
            Act::Help => output::print(&format!("{CLEAR_LINE}{HELP}"))?,
            Act::Vote(id, kind, processes) => {
                let body = VoteBody { verdict: kind, reason: None, processes: Some(processes) };
                output::print(CLEAR_LINE)?;
                let cast = cast(&self.context.client, id.as_str(), &body).await;
                // What was typed meanwhile was not typed for what is shown next. Not later: a key that is typed once
                // the next one is up counts.
                self.terminal.flush();
                match cast {
                    Ok(view) => {
                        output::print(&render::summary::voted(&view, kind, self.context.style))?;
                        let now = self.now();
                        if self.board.change(view, now) == Effect::Show {
                            self.show()?;
                        }
                    }
                    // The request goes on being shown; a change tells what became of it.
                    Err(failure) => failure.report(),
                }
            }
        }
        Ok(Key::Taken)
    }

    /// Shows the request that is up, below what was shown before, so that one can scroll back.
    fn show(&mut self) -> Result<(), Failure> {
        let style = self.context.style;
        let page = match self.board.shown() {
            Some((view, place)) => {
                let rule = format!("──── {place} of {} that wait ", self.board.count());
                let rest = render::WIDTH.saturating_sub(rule.chars().count());
                let rule = style.bold(&format!("{rule}{}", "─".repeat(rest)));
                format!("{rule}\n{}", render::request::view(view, clock::now(), style, false))
            }
            None => "nothing waits\n".to_owned(),
        };
        output::print(&format!("{CLEAR_LINE}{page}"))?;
        // From now on it can be read, and what was typed until now was for something else.
        self.terminal.flush();
        let now = self.now();
        self.board.displayed(now);
        self.prompt()
    }

    fn prompt(&self) -> Result<(), Failure> {
        let style = self.context.style;
        let line = match self.board.shown() {
            Some((view, place)) => format!(
                "{} [{place}/{}] {} left  a approve  d deny  n next  p prev  q quit  ? ",
                style.waiting(view.id.as_str()),
                self.board.count(),
                render::time::left(view.deadline, clock::now()),
            ),
            None => "waiting for requests  q quit  ? ".to_owned(),
        };
        output::print(&format!("{CLEAR_LINE}{line}"))
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }
}

/// What a key came to.
#[derive(PartialEq, Eq)]
enum Key {
    Taken,
    Quit,
}

/// The signals that end a watch. Taking them gives us the time to put the terminal back.
struct Stop([tokio::signal::unix::Signal; 3]);

impl Stop {
    fn new() -> Result<Self, Failure> {
        let take =
            |kind| signal(kind).map_err(|cause| Failure::Internal(format!("cannot take signals: {cause}")));
        Ok(Self([
            take(SignalKind::interrupt())?,
            take(SignalKind::terminate())?,
            take(SignalKind::hangup())?,
        ]))
    }

    async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
