//! A configuration that is read again while the daemon runs.

use super::Config;

impl Config {
    /// What is in force when the file was read again: what can change does, and the rest stays as it is. With it the keys
    /// whose new values need a restart.
    #[must_use]
    pub fn reloaded(&self, read: Self) -> (Self, Vec<&'static str>) {
        // Each key by its name: one that is new has to be thought about here.
        let Self {
            approver_group,
            require_login_uid,
            policies,
            state_directory,
            runtime_directory,
            bpf_object,
            mode,
            show,
            defaults,
            limits,
            agents,
        } = read;
        let stay = [
            ("approver_group", approver_group != self.approver_group),
            ("require_login_uid", require_login_uid != self.require_login_uid),
            ("state_directory", state_directory != self.state_directory),
            ("runtime_directory", runtime_directory != self.runtime_directory),
            ("bpf_object", bpf_object != self.bpf_object),
        ];
        let needs_restart = stay.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect();
        (Self { policies, mode, show, defaults, limits, agents, ..self.clone() }, needs_restart)
    }
}
