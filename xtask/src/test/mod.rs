//! `cargo xtask test`: the unit tests here, the others in the VM, and one line that sums them up.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::build::{self, Programs};
use crate::cache;
use crate::dist;
use crate::fuzz::Fuzzer;
use crate::options::{Kernel, Preempt, SoakOptions, SoakPart, TestOptions, Which};
use crate::setup;
use crate::vm::{Boot, Ending, Payload};

mod tally;

use tally::Tally;

/// How long the tests of one boot may take.
const BOOT_LIMIT: Duration = Duration::from_secs(4_200);

/// How long a soak may take.
const SOAK_LIMIT: Duration = Duration::from_secs(14_400);

/// Tells the tests in the VM which boot this is: they choose themselves which of them belong there.
const BOOT_VARIABLE: &str = "HOLDPOINT_E2E_BOOT";

/// The boot whose guest has nothing of holdpoint but the package, as a file.
const PACKAGE_BOOT: &str = "package";

/// Runs the tests in the guest. The boot of the package goes on after a reboot of the guest.
const RUN_TESTS: &str = r#"
tests() { ./holdpoint-e2e --test-threads=1 ${HOLDPOINT_E2E_FILTER:+$HOLDPOINT_E2E_FILTER}; }
[ "$HOLDPOINT_E2E_BOOT" = package ] || { tests; exit; }
if [ -e /root/rebooted ]; then
    HOLDPOINT_E2E_BOOT=rebooted tests
    exit
fi
tests || exit
touch /root/rebooted
sync
# At once, as by a loss of power: what is held has no time to end.
systemctl reboot --force --force
exec sleep 600
"#;

/// Tells the tests which protections the daemons shall leave out.
const WITHOUT_VARIABLE: &str = "HOLDPOINT_E2E_WITHOUT";

/// Tells the soak how many holds there are to be.
const HOLDS_VARIABLE: &str = "HOLDPOINT_E2E_HOLDS";

/// Tells the load how many seconds it is to last.
const SECONDS_VARIABLE: &str = "HOLDPOINT_E2E_SECONDS";

/// Tells the races how often each is to be tried.
const RACES_VARIABLE: &str = "HOLDPOINT_E2E_RACES";

/// Runs what was asked for, all of it, and prints `N passed, N failed` at the end.
pub(crate) fn run(options: &TestOptions) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::default();
    if options.which != Some(Which::Unit) {
        // First, so that a missing tool is named before the minutes of compiling.
        setup::run()?;
    }
    if options.which != Some(Which::Vm) {
        unit(options.filter.as_deref(), &mut tally)?;
    }
    if options.which != Some(Which::Unit) {
        let built = Built::for_the_vm()?;
        let package = dist::package(&built.programs)?;
        // Side by side: a guest waits more than it works.
        let telling = if options.kernel.is_some() { Telling::Live } else { Telling::AtTheEnd };
        let of_kernel = |kernel| -> anyhow::Result<Tally> {
            let mut tally = Tally::default();
            for (name, boot) in boots(kernel) {
                let package = (name == PACKAGE_BOOT).then_some(package.as_path());
                let mut payload = built.payload(options.filter.as_deref(), package)?;
                payload.set(BOOT_VARIABLE, name)?;
                payload.set(WITHOUT_VARIABLE, options.without.as_deref().unwrap_or_default())?;
                run_boot(name, &boot, &payload, telling, &mut tally);
            }
            Ok(tally)
        };
        let tallies: Vec<_> = thread::scope(|scope| {
            let kernels = wanted(options.kernel);
            let runs: Vec<_> =
                kernels.into_iter().map(|kernel| scope.spawn(move || of_kernel(kernel))).collect();
            runs.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for of_one in tallies {
            let failed = |_| Err(anyhow::anyhow!("a thread that runs the tests failed inside"));
            tally.add(&of_one.unwrap_or_else(failed)?);
        }
    }
    close(&tally)
}

/// Runs the long test on each kernel.
pub(crate) fn soak(options: &SoakOptions) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::default();
    let wants = |part| options.only.is_none_or(|only| only == part);
    if wants(SoakPart::Fuzz) {
        let fuzzer = Fuzzer::find()?;
        let mut targets = fuzzer.targets(None)?;
        targets.retain(|target| options.filter.as_ref().is_none_or(|filter| target.contains(filter)));
        for target in targets {
            if fuzzer.fuzz(&target, options.fuzz)? { tally.pass() } else { tally.fail() }
        }
    }
    if options.only == Some(SoakPart::Fuzz) {
        return close(&tally);
    }
    setup::run()?;
    let built = Built::for_the_vm()?;
    for kernel in wanted(options.kernel) {
        for (part, name) in [
            (SoakPart::Holds, "soak"),
            (SoakPart::Without, "without"),
            (SoakPart::Load, "load"),
            (SoakPart::Races, "races"),
        ] {
            if !wants(part) {
                continue;
            }
            let mut payload = built.payload(options.filter.as_deref(), None)?;
            payload.set(BOOT_VARIABLE, name)?;
            payload.set(HOLDS_VARIABLE, &options.holds.to_string())?;
            payload.set(RACES_VARIABLE, &options.races.to_string())?;
            payload.set(SECONDS_VARIABLE, &options.load.to_string())?;
            // Before 6.2 holdpoint does not run under full preemption.
            let hard = part == SoakPart::Load && kernel == Kernel::V6_12;
            let preempt = hard.then_some(Preempt::Full);
            let boot = Boot { preempt, ..Boot::plain(kernel, SOAK_LIMIT) };
            run_boot(name, &boot, &payload, Telling::Live, &mut tally);
        }
    }
    close(&tally)
}

fn unit(filter: Option<&str>, tally: &mut Tally) -> anyhow::Result<()> {
    println!("test: unit tests");
    let mut command = build::cargo(&cache::repository()?);
    command.args(["test", "--quiet", "--no-fail-fast"]).args(filter);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("run cargo test")?;
    let failed_before = tally.failed();
    if let Some(mut output) = child.stdout.take() {
        let mut counting = tally.watch(io::stdout());
        io::copy(&mut output, &mut counting).context("read the output of cargo test")?;
    }
    let status = child.wait().context("wait for cargo test")?;
    if !status.success() && tally.failed() == failed_before {
        eprintln!("xtask: cargo test: {status} without a failed test: what it runs does not build");
        tally.fail();
    }
    Ok(())
}

/// The boots of a kernel. The second has nothing but the package; in the last one holdpoint has to refuse to start.
fn boots(kernel: Kernel) -> [(&'static str, Boot); 3] {
    let plain = || Boot::plain(kernel, BOOT_LIMIT);
    let refusing = match kernel {
        Kernel::V6_1 => ("preempt-full", Boot { preempt: Some(Preempt::Full), ..plain() }),
        Kernel::V6_12 => ("lsm-off", Boot { lsm_off: true, ..plain() }),
    };
    [("normal", plain()), (PACKAGE_BOOT, Boot { reboots: true, ..plain() }), refusing]
}

fn wanted(kernel: Option<Kernel>) -> Vec<Kernel> {
    kernel.map_or_else(|| Kernel::ALL.to_vec(), |kernel| vec![kernel])
}

/// What the tests in the VM consist of.
struct Built {
    programs: Programs,
    tests: PathBuf,
    failpoints: PathBuf,
}

impl Built {
    fn for_the_vm() -> anyhow::Result<Self> {
        let (programs, failpoints) = build::with_failpoints()?;
        Ok(Self { programs, tests: build::end_to_end()?, failpoints })
    }

    /// With the package, the guest has nothing of holdpoint but that file.
    fn payload(&self, filter: Option<&str>, package: Option<&Path>) -> anyhow::Result<Payload> {
        let mut payload = match package {
            Some(package) => {
                let mut payload = Payload::bare();
                payload.add(package)?;
                payload
            }
            None => Payload::new(self.programs.clone()),
        };
        // Beside the tests, not where a program is installed.
        for (name, path) in [("holdpoint-e2e", &self.tests), ("holdpointd-failpoints", &self.failpoints)] {
            let content = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            payload.add_content(name, content)?;
        }
        payload.set("HOLDPOINT_E2E_FILTER", filter.unwrap_or_default())?;
        payload.add_content("e2e.sh", RUN_TESTS.into())?;
        Ok(payload)
    }
}

/// When what the tests say is told.
#[derive(Clone, Copy)]
enum Telling {
    Live,
    /// Another boot says something as well.
    AtTheEnd,
}

/// Runs one boot. A failure is counted and said, and the other boots go on.
fn run_boot(name: &str, boot: &Boot, payload: &Payload, telling: Telling, tally: &mut Tally) {
    println!("test: kernel {}, boot `{name}`", boot.kernel.version());
    let begun = Instant::now();
    let (closings, failed) = (tally.closings(), tally.failed());
    let mut said = Vec::new();
    let ending = match telling {
        Telling::Live => boot.run(payload, &mut tally.watch(io::stdout())),
        Telling::AtTheEnd => boot.run(payload, &mut tally.watch(&mut said)),
    };
    let complaint = match ending {
        Ok(Ending::Exited { status: 0, .. }) if tally.closings() > closings => None,
        Ok(Ending::Exited { status: 0, .. }) => Some(String::from("the tests ended without a closing line")),
        Ok(Ending::Exited { status, .. }) => Some(format!("the tests exited with status {status}")),
        Ok(Ending::TimedOut) => Some(String::from("the tests did not end in time")),
        Err(error) => Some(format!("{error:#}")),
    };
    let mut text = format!(
        "test: kernel {}, boot `{name}` took {:.0} s\n",
        boot.kernel.version(),
        begun.elapsed().as_secs_f64()
    );
    text.push_str(&String::from_utf8_lossy(&said));
    if let Some(complaint) = complaint {
        text.push_str(&format!("xtask: kernel {}, boot `{name}`: {complaint}\n", boot.kernel.version()));
        if tally.failed() == failed {
            tally.fail();
        }
    }
    // At once, so that nothing of another boot comes in between.
    print!("{text}");
}

fn close(tally: &Tally) -> anyhow::Result<ExitCode> {
    println!("{} passed, {} failed", tally.passed(), tally.failed());
    io::stdout().flush().context("write the closing line")?;
    // No test at all is no success.
    let good = tally.failed() == 0 && tally.passed() > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
