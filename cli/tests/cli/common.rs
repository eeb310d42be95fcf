//! A daemon that answers what the test says and notes what it is asked.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// One call, as the daemon got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Method and path.
    pub(crate) what: String,
    pub(crate) body: String,
    pub(crate) pid: i32,
    /// The threads that the caller had while it waited for the answer.
    pub(crate) threads: usize,
}

/// Listens in a directory of its own. It goes on until the test ends.
pub(crate) struct Daemon {
    directory: tempfile::TempDir,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Daemon {
    /// Answers each call that is in the list, and any other with 404. A body that ends in `\n` is streamed
    /// and the connection closed after it; one that ends in `\n\n` is streamed and never ends.
    pub(crate) fn start(answers: &[(&str, u16, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let answers: HashMap<String, (u16, String)> = answers
            .iter()
            .map(|(what, status, body)| ((*what).to_owned(), (*status, (*body).to_owned())))
            .collect();
        let noted = Arc::clone(&calls);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, noted) = (answers.clone(), Arc::clone(&noted));
                thread::spawn(move || serve(stream.unwrap(), &answers, &noted));
            }
        });
        Self { directory, calls }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.what).collect()
    }

    /// Runs the program against this daemon.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        command().arg("--socket").arg(self.socket()).args(arguments).output().unwrap()
    }
}

/// The program, free of what the test's own environment says.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdpoint"));
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A request as JSON.
pub(crate) fn request(id: &str, state: &str) -> String {
    format!(
        r#"{{"id":"{id}","hold":"0000000000000005","wait":"hold","state":{{"is":"{state}"}},"facts":null,"decision":{{"action":"ask",
        "rule":null,"description":null,"because":"listed","risk":null,"message":null,"deny_message":null,"timeout":60000,"valid_for":30000,"wait":"hold","loader_variables":"refuse-ld"}},
        "votes":[],"made_at":1,"deadline":2,"valid_until":null,"ended_at":null,"note":"\u001b[2Jü"}}"#
    )
    .replace('\n', "")
}

/// A problem as JSON.
pub(crate) fn problem(word: &str, status: u16, detail: &str) -> String {
    format!(r#"{{"type":"urn:holdpoint:problem:{word}","title":"t","status":{status},"detail":"{detail}"}}"#)
}

fn serve(stream: UnixStream, answers: &HashMap<String, (u16, String)>, calls: &Mutex<Vec<Call>>) {
    let pid = getsockopt(&stream, PeerCredentials).unwrap().pid();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((what, body)) = read_call(&mut reader) {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        calls.lock().unwrap().push(Call { what: what.clone(), body, pid, threads });
        let (status, body) =
            answers.get(&what).cloned().unwrap_or((404, problem("unknown-id", 404, "no such thing")));
        if body.ends_with('\n') {
            write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\n\r\n{body}").unwrap();
            if !body.ends_with("\n\n") {
                return;
            }
            // The stream stays open until the client closes it.
            let mut rest = Vec::new();
            let _ = reader.read_to_end(&mut rest);
            return;
        }
        // The client may have gone.
        let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    }
}

fn read_call(reader: &mut BufReader<UnixStream>) -> Option<(String, String)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let what = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some((what, String::from_utf8(body).unwrap()))
}
