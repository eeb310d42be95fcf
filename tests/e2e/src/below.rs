//! Overlays that show a listed program under another name: it is refused where it would run unasked.

use holdpoint_core::wire::RequestView;

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        attempt::{WORKED, is_refused, works},
        cli::{User, shell},
        daemon,
        programs::{self, DYNAMIC_ELF},
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 300:
    a_listed_program_below_an_overlay_does_not_run_under_another_name,
    a_redirect_or_a_second_overlay_hides_no_listed_program,
    a_name_that_is_nobodys_does_not_hide_what_is_below,
    a_program_of_many_names_below_an_overlay_becomes_no_listed_one,
    what_is_refused_below_an_overlay_leaves_the_next_exec_alone,
];

const COUNTER: &str = "refused_below";
/// Has a listed inode under a name that is not listed, and a program that is not listed.
const LOWER: &str = "/opt/holdpoint-tests/below";

fn lay_lower() {
    programs::install();
    shell(&format!("rm -rf {LOWER} && mkdir {LOWER} && ln /opt/holdpoint-tests/by-path {LOWER}/other"));
    programs::put_copy(format!("{LOWER}/free"));
    // "by-path" is looked for, since it is the last part of a rule's path; of another file of that name no rule is.
    shell(&format!("mkdir {LOWER}/nobodys && ln {DYNAMIC_ELF} {LOWER}/nobodys/by-path"));
}

/// Mounts an overlay in a namespace of its own. What lies in `upper` is laid before.
fn in_an_overlay(user: User, lower: &str, upper: &str, then: &str) -> String {
    let (namespaces, option) = match user {
        User::Root => ("--mount", "index=off,metacopy=on,redirect_dir=on"),
        _ => ("--user --map-root-user --mount", "userxattr"),
    };
    format!(
        "unshare {namespaces} bash -c 'mount -t tmpfs none /mnt && cd /mnt && mkdir upper work merged && {upper} && \
         mount -t overlay overlay -o {option},lowerdir={lower},upperdir=/mnt/upper,workdir=/mnt/work merged && {then}'"
    )
}

/// A file of the upper layer that shows the content of one of the lower.
fn redirected(name: &str, to: &str) -> String {
    format!(
        "truncate -s $(stat -c %s {to}) upper/{name} && chmod 755 upper/{name} && \
         setfattr -n trusted.overlay.metacopy upper/{name} && \
         setfattr -n trusted.overlay.redirect -v /$(basename {to}) upper/{name}"
    )
}

fn a_listed_program_below_an_overlay_does_not_run_under_another_name() {
    lay_lower();
    for then in [
        "merged/other 0",
        "ln -s /mnt/merged/other link && ./link 0",
        "holdpoint-test-agent exec-by-fd merged/other 0",
        "printf \"#!/mnt/merged/other\\n\" >script && chmod 755 script && ./script 0",
    ] {
        for user in [User::Agent, User::Root] {
            let line = in_an_overlay(user, LOWER, "true", &format!("{then} && echo {WORKED}"));
            is_refused(user, &line, COUNTER);
        }
    }
}

fn a_redirect_or_a_second_overlay_hides_no_listed_program() {
    lay_lower();
    let line = in_an_overlay(
        User::Root,
        "/usr/local/bin",
        &redirected("innocent", DYNAMIC_ELF),
        &format!("merged/innocent 0 && echo {WORKED}"),
    );
    is_refused(User::Root, &line, COUNTER);
    let second = format!(
        "mkdir upper2 work2 second && mount -t overlay overlay -o \
         index=off,lowerdir=merged,upperdir=/mnt/upper2,workdir=/mnt/work2 second && second/other 0 && echo {WORKED}"
    );
    is_refused(User::Root, &in_an_overlay(User::Root, LOWER, "true", &second), COUNTER);
}

fn a_name_that_is_nobodys_does_not_hide_what_is_below() {
    lay_lower();
    for user in [User::Agent, User::Root] {
        let then = format!("merged/by-path 0 && echo {WORKED}");
        let line = in_an_overlay(user, &format!("{LOWER}/nobodys"), "true", &then);
        let unguarded = Agent::unguarded(user, &["sh", "-c", &line]);
        assert!(unguarded.output.contains(WORKED), "unguarded: {unguarded:?}");
        let mut daemon = daemon::plain();
        let mut agent = Agent::start_as(user, &["sh", "-c", &line]);
        if user == User::Root {
            let request = daemon.request(&agent);
            daemon.deny(&request);
        } else {
            // It would run if it were nobody's: that it could be exchanged there is no matter then.
            let own = |view: &&RequestView| daemon::is_of(view, &agent);
            let note = daemon.watch.until("it is refused", |views| views.iter().find(own)?.note.clone());
            assert!(note.contains("mount namespace of the agent's own"), "{note}");
        }
        let said = agent.end();
        assert!(!said.output.contains(WORKED), "refused: {said:?}");
    }
}

fn a_program_of_many_names_below_an_overlay_becomes_no_listed_one() {
    for user in [User::Agent, User::Root] {
        let then = format!(
            "(exec -a iptables merged/xtables-nft-multi --version) | grep -q \"^iptables v\" && echo {WORKED}"
        );
        is_refused(user, &in_an_overlay(user, "/usr/sbin", "true", &then), "killed_named");
    }
}

fn what_is_refused_below_an_overlay_leaves_the_next_exec_alone() {
    lay_lower();
    // The exec fails before its check: its argument is longer than the kernel takes.
    let too_long = |next: &str| {
        format!(
            "python3 -c \"import os\ntry: os.execv(\\\"merged/other\\\", [\\\"x\\\" * 200000])\n\
             except OSError: os.execv(\\\"{next}\\\", [\\\"x\\\", \\\"0\\\"])\""
        )
    };
    for user in [User::Agent, User::Root] {
        for next in ["merged/free", "/usr/local/bin/unlisted"] {
            let line = in_an_overlay(user, LOWER, "true", &format!("{} && echo {WORKED}", too_long(next)));
            works(user, &line);
        }
        let then = format!("merged/free 0 && (merged/other 0; exec merged/free 0) && echo {WORKED}");
        works(user, &in_an_overlay(user, LOWER, "true", &then));
    }
}
