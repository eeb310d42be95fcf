//! What the host must have, checked before anything is touched. `holdpointd --check` prints the same.
#![forbid(unsafe_code)]

mod host;
mod preemption;

use std::fmt;

use holdpoint_core::config::Config;

pub(crate) use host::{BPF_FS_MAGIC, kernel_version};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it; none where all is well.
    pub(crate) cure: Option<String>,
}

/// Looks at everything, also after a failure: an operator mends all in one go.
pub(crate) fn run(config: &Config) -> Vec<Check> {
    vec![
        host::kernel(),
        host::privileges(),
        host::bpf_lsm(),
        host::btf(),
        preemption::model(),
        host::mounted("bpffs", "/sys/fs/bpf", host::BPF_FS_MAGIC, "mount -t bpf bpf /sys/fs/bpf"),
        host::mounted(
            "cgroup2",
            "/sys/fs/cgroup",
            host::CGROUP2_MAGIC,
            "boot with systemd's unified hierarchy (systemd.unified_cgroup_hierarchy=1)",
        ),
        host::directory("state directory", &config.state_directory, "StateDirectory=holdpoint"),
        host::directory("runtime directory", &config.runtime_directory, "RuntimeDirectory=holdpoint"),
        host::object(&config.bpf_object),
    ]
}

impl Check {
    fn pass(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, found: found.into(), cure: None }
    }

    fn fail(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, found: found.into(), cure: Some(cure.into()) }
    }

    /// Whether all is well here.
    pub(crate) fn passed(&self) -> bool {
        self.cure.is_none()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.passed() { "ok  " } else { "FAIL" };
        write!(f, "{mark}  {:<18} {}", self.name, self.found)?;
        match &self.cure {
            Some(cure) => write!(f, "\n      {:<18} cure: {cure}", ""),
            None => Ok(()),
        }
    }
}
