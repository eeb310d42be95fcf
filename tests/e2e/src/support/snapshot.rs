//! What of a process must be the same after a hold as before.

use std::fs;

use serde::Deserialize;

/// A process as its parent and its program know it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    /// The device number of the controlling terminal; zero where there is none.
    pub(crate) terminal: i64,
    pub(crate) cwd: String,
    /// The open descriptors that an exec keeps, with what they are open on.
    pub(crate) descriptors: Vec<(u32, String)>,
}

/// `O_CLOEXEC`, as `/proc/PID/fdinfo` shows it.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

impl Snapshot {
    /// Looks at a process from outside.
    pub(crate) fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let mut descriptors: Vec<(u32, String)> = Vec::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
            let number = entry.file_name().to_str().unwrap().to_owned();
            let flags = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap();
            let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim().to_owned();
            if u32::from_str_radix(&flags, 8).unwrap() & CLOSE_ON_EXEC == 0 {
                let target = fs::read_link(entry.path()).unwrap().display().to_string();
                descriptors.push((number.parse().unwrap(), target));
            }
        }
        descriptors.sort();
        Self {
            pid,
            ppid: fields[1].parse().unwrap(),
            terminal: fields[4].parse().unwrap(),
            cwd: fs::read_link(format!("/proc/{pid}/cwd")).unwrap().display().to_string(),
            descriptors,
        }
    }

    /// Finds what the program reported in the output of an agent. There may be more around it.
    pub(crate) fn reported(output: &str) -> Self {
        Self::all_reported(output).pop().unwrap_or_else(|| panic!("no report in: {output}"))
    }

    pub(crate) fn all_reported(output: &str) -> Vec<Self> {
        let lines = output.lines().filter_map(|line| Some(&line[line.find("{\"pid\"")?..]));
        lines
            .map(|line| serde_json::from_str(line.trim()).unwrap_or_else(|cause| panic!("{cause}: {line}")))
            .collect()
    }
}
