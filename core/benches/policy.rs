//! What a decision costs, and what it costs to load the rules: `cargo bench -p holdpoint-core --bench policy`.
//!
//! The rules are like those of the packs: ten a program, with clauses about its words, its options, its environment and the
//! hour. The figures of docs/performance.md are from here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench may panic")]

use std::{fmt::Write as _, fs, path::Path};

use divan::{Bencher, black_box};
use holdpoint_core::{
    alleged::Alleged,
    facts::ParentFacts,
    policy::{Account, Action, Context, Decision, Exec, Owner, Parents, Policy, SourceFile, parse},
    time::WallTime,
};

/// With as many programs of ten rules each.
const PROGRAMS: [usize; 2] = [1, 1000];

fn main() {
    divan::main();
}

/// What one of ten rules allows, and none that denies forbids.
#[divan::bench(args = PROGRAMS)]
fn allowed_by_one_of_ten_rules(bencher: Bencher<'_, '_>, programs: usize) {
    let policy = policy_of(programs);
    decide(bencher, &policy, "p0 get pods -n dev-1 --output=json", Action::Allow, "p0-reads");
}

/// All ten rules are looked at, and the last applies.
#[divan::bench(args = PROGRAMS)]
fn asked_by_the_last_of_ten_rules(bencher: Bencher<'_, '_>, programs: usize) {
    let policy = policy_of(programs);
    decide(bencher, &policy, "p0 -n prod-eu drain node-17 --force --grace-period 0", Action::Ask, "p0-rest");
}

/// A read and a change, by the pack as it is shipped: by the 16th and by the 25th of its rules about kubectl.
#[divan::bench(args = ["get", "delete"])]
fn pack_of_kubernetes(bencher: Bencher<'_, '_>, verb: &str) {
    let policy = pack("kubernetes/kubernetes.toml");
    let (line, action, rule) = match verb {
        "get" => ("kubectl -n dev get pods -o json --selector app=web", Action::Allow, "kubernetes-reads"),
        _ => {
            ("kubectl --context prod delete pod web-7f9c --grace-period=0", Action::Ask, "kubernetes-delete")
        }
    };
    decide(bencher, &policy, line, action, rule);
}

/// One rule that allows, by a clause and by an expression that says the same. The first is without any.
#[divan::bench(args = [
    "",
    "users = 'agent'",
    "when = \"user == 'agent'\"",
    "hours = { from = '09:00', to = '17:00' }",
    "when = 'hour >= 9 && hour < 17'",
    "args = { any = ['--output=*'] }",
    "when = \"args.exists(a, a.startsWith('--output='))\"",
    "subcommand = 'get'",
    "when = \"words[0] == 'get'\"",
    "flags = { '-n' = { in = ['dev-*'] } }",
    "when = \"flags['-n'].all(n, n.startsWith('dev-'))\"",
    "env = { VARIABLE_7 = { regex = '^some' } }",
    "when = \"env.VARIABLE_7.matches('^some')\"",
    "when = \"env.all(n, n.startsWith('VARIABLE_'))\"",
    "when = \"agent == 'coder' && cwd.startsWith('/home/' + user + '/') && '27' in groups && !tty\"",
])]
fn one_clause(bencher: Bencher<'_, '_>, clause: &str) {
    let command = "[[command]]\nexec = ['p0']\nstyle = 'pflag'\nvalues = ['-n', '--output']\n";
    let rule = format!("{command}[[rule]]\nname = 'r'\nexec = ['p0']\naction = 'allow'\n{clause}\n");
    let files = [SourceFile { name: "r".to_owned(), text: rule }];
    let (policy, _) = parse(&files).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()));
    decide(bencher, &policy, "p0 get pods -n dev-1 --output=json", Action::Allow, "r");
}

/// A thousand rules with an expression each, from text.
#[divan::bench(sample_count = 10)]
fn load_of_expressions(bencher: Bencher<'_, '_>) {
    let rule = |index: usize| {
        let when = format!("args.exists(a, a.startsWith('--output={index}')) && !tty");
        format!("[[rule]]\nname = 'r{index}'\nexec = ['p{index}']\naction = 'ask'\nwhen = \"{when}\"\n")
    };
    let files = [SourceFile { name: "r".to_owned(), text: (0..1000).map(rule).collect() }];
    bencher.bench_local(|| {
        parse(black_box(&files)).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()))
    });
}

/// From text to a policy that decides.
#[divan::bench(args = PROGRAMS, sample_count = 10)]
fn load(bencher: Bencher<'_, '_>, programs: usize) {
    let files = files_of(programs);
    bencher.bench_local(|| {
        parse(black_box(&files)).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()))
    });
}

/// All packs, as they are shipped.
#[divan::bench(sample_count = 10)]
fn load_of_the_packs(bencher: Bencher<'_, '_>) {
    let names = [
        "cloud/cloud",
        "databases/databases",
        "escape/escape",
        "kubernetes/kubernetes",
        "privilege/privilege",
        "terraform/terraform",
    ];
    let files: Vec<SourceFile> = names.iter().map(|name| shipped(&format!("{name}.toml"))).collect();
    bencher.bench_local(|| {
        parse(black_box(&files)).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()))
    });
}

/// Decides, the context made anew each time from what the daemon has of an exec.
fn decide(bencher: Bencher<'_, '_>, policy: &Policy, line: &str, action: Action, rule: &str) {
    let program = line.split(' ').next().unwrap();
    let path = format!("/usr/bin/{program}");
    let decide = |context: &Context<'_>| -> Decision {
        let names: [&[u8]; 1] = [program.as_bytes()];
        let exec = Exec { names: &names, paths: &[path.as_bytes()] };
        policy.decide(black_box(&exec), black_box(context))
    };
    with_context(line, |context| {
        let decision = decide(context);
        assert_eq!((decision.action, decision.rule.as_deref()), (action, Some(rule)), "{}", decision.because);
    });
    with_context(line, |context| bencher.bench_local(|| decide(&Context { ..*context })));
}

fn with_context<T>(line: &str, use_it: impl FnOnce(&Context<'_>) -> T) -> T {
    let argv: Vec<Alleged> = line.split(' ').map(Alleged::from).collect();
    let environment: Vec<Vec<u8>> =
        (0..40).map(|index| format!("VARIABLE_{index}=some value of it").into_bytes()).collect();
    let parents: Vec<ParentFacts> = ["/usr/bin/make", "/usr/bin/bash", "/opt/agent/bin/agent"]
        .map(|exe| ParentFacts { pid: 7, exe: Alleged::from(exe), command: Alleged::default() })
        .to_vec();
    let users = [Account { id: 1000, name: Some("agent".to_owned()) }];
    let groups = [1000, 27, 998].map(|id| Account { id, name: Some(format!("group-{id}")) });
    let sha256 = "ab".repeat(32);
    let context = Context {
        hidden: &[],
        at: Some(WallTime(1_795_780_800_000)),
        agent: Some("coder"),
        users: Some(&users),
        groups: Some(&groups),
        host: Some("build-7.example.org"),
        unit: Some(Some("agent.service")),
        cgroup: Some(b"/system.slice/agent.service"),
        cwd: Some(b"/home/agent/work"),
        parents: Some(Parents { of: &parents, cut: false }),
        tty: Some(false),
        argv: Some(&argv),
        environment: Some(&environment),
        sha256: Some(&sha256),
        owner: Some(Owner::Root),
    };
    use_it(&context)
}

/// Ten rules for each program, and what its options are; with as many programs in a file as fit.
fn files_of(programs: usize) -> Vec<SourceFile> {
    let mut files = vec![SourceFile { name: "00-sets.toml".to_owned(), text: SETS.to_owned() }];
    let mut text = String::new();
    for program in 0..programs {
        write!(text, "{}", RULES.replace("$P", &format!("p{program}"))).unwrap();
        if program % 100 == 99 || program + 1 == programs {
            let name = format!("{:02}-rules.toml", files.len());
            files.push(SourceFile { name, text: std::mem::take(&mut text) });
        }
    }
    files
}

fn policy_of(programs: usize) -> Policy {
    let (policy, warnings) =
        parse(&files_of(programs)).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap()));
    assert_eq!(warnings, []);
    assert_eq!(policy.rules().len(), programs * 10);
    policy
}

fn shipped(name: &str) -> SourceFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(name);
    SourceFile::from_bytes(name, fs::read(path).unwrap()).unwrap()
}

fn pack(name: &str) -> Policy {
    parse(&[shipped(name)]).unwrap_or_else(|errors| panic!("{}", errors.first().unwrap())).0
}

const SETS: &str = r#"
[sets]
production = ["prod", "prod-*", "*-prod", "live"]
development = ["dev", "dev-*", "test-*", "staging"]
formats = ["json", "yaml", "name", "wide", "jsonpath=*", "custom-columns=*"]
secrets = ["secret*", "*.key", "*password*", "token"]
"#;

const RULES: &str = r#"
[[command]]
exec = ["$P"]
style = "pflag"
values = ["-n", "--namespace", "--context", "--cluster", "--kubeconfig", "-l", "--selector", "-o", "--output", "--as"]
flags = ["-A", "--all-namespaces", "-h", "--help", "--force", "--insecure", "-v", "--verbose", "--quiet"]
aliases = { "-n" = "--namespace", "-l" = "--selector", "-o" = "--output", "-A" = "--all-namespaces" }

[[command]]
exec = ["$P"]
after = ["drain", "delete"]
values = ["--grace-period", "--timeout"]
flags = ["--now", "--ignore-not-found"]

[[rule]]
name = "$P-help"
description = "Shows how it is used."
exec = ["$P"]
action = "allow"
args = { all = ["{-h,--help}"], count = { min = 1, max = 1 } }

[[rule]]
name = "$P-secrets"
description = "Names a secret."
exec = ["$P"]
action = "ask"
risk = "critical"
args = { any = ["@secrets"] }
[rule.unless]
subcommand = ["explain", "auth can-i"]

[[rule]]
name = "$P-credentials"
description = "Goes by other credentials than those that it was given."
exec = ["$P"]
action = "ask"
risk = "critical"
env = { KUBECONFIG = { in = ["/home/agent/*"] } }

[[rule]]
name = "$P-identity"
description = "Acts as somebody else."
exec = ["$P"]
action = "deny"
flags = { "--as" = { present = true }, "--insecure" = { present = true } }

[[rule]]
name = "$P-nights"
description = "Changes production outside of working hours."
exec = ["$P"]
action = "deny"
deny_message = "wait until nine"
hours = { days = ["sat", "sun"], zone = "Europe/Berlin" }
flags = { "--namespace" = ["@production"] }

[[rule]]
name = "$P-reads"
description = "Shows what is there."
exec = ["$P"]
action = "allow"
subcommand = ["get", "describe", "explain", "version", "api-resources", "top", "logs", "events", "cluster-info", "diff"]
flags = { "--output" = { in = ["@formats"], or_absent = true }, "--namespace" = { not_in = ["@production"], or_absent = true } }

[[rule]]
name = "$P-development"
description = "Changes development."
exec = ["$P"]
action = "allow"
agents = ["coder", "tester"]
subcommand = ["apply", "delete", "rollout restart", "scale"]
flags = { "--namespace" = ["@development"] }
hours = { days = ["mon-fri"], from = "09:00", to = "17:00", zone = "Europe/Berlin" }

[[rule]]
name = "$P-builds"
description = "What a build does."
exec = ["$P"]
action = "allow"
users = ["builder", "ci-*"]
parents = ["make", "/usr/lib/ci/*"]
env = { CI = ["true"], "CI_TOKEN*" = { present = false } }

[[rule]]
name = "$P-deletes"
description = "Takes something away."
exec = ["$P"]
action = "ask"
risk = "high"
message = "Is it really this one?"
subcommand = ["delete", "rollout undo", "scale * --replicas=0"]
args = { none = ["--dry-run*"] }

[[rule]]
name = "$P-rest"
description = "Everything else."
exec = ["$P"]
action = "ask"
risk = "medium"
timeout = "10m"
hosts = ["build-*", "dev-*"]
"#;
