//! Whether the gate would stay shut without this daemon.

use tracing::{error, info};

use super::Engine;

impl Engine {
    /// Looks whether programs and maps are still pinned, and pins them again where they are not.
    pub(super) fn look_at_pins(&mut self) {
        if self.gate.kept().missing().is_none() {
            return;
        }
        match self.gate.kept().pin_again() {
            Ok(()) => {
                self.pins_problem = None;
                self.guard_again();
                info!("programs and maps, which were not pinned any more, are pinned again");
            }
            Err(cause) => {
                let problem = format!(
                    "the gate is shut only as long as holdpointd runs, and opens for every agent of now when it ends: \
                     {cause}; mount it with 'mount -t bpf bpf /sys/fs/bpf', and programs and maps are pinned again"
                );
                // Once, not with each sweep.
                if self.pins_problem.as_ref() != Some(&problem) {
                    error!("{problem}");
                }
                self.pins_problem = Some(problem);
            }
        }
    }
}
