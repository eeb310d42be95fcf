//! Random policies with clauses, random execs, and what is known of them. Few words, so that they often meet.

use holdpoint_core::{
    alleged::Alleged,
    facts::ParentFacts,
    policy::{Account, Action, Context, Exec, Mode, Owner, Parents, Policy, SourceFile, parse},
    time::WallTime,
};
use proptest::{option::weighted, prelude::*, sample::select};

/// The programs that rules and execs are about.
pub(crate) const PROGRAMS: [&str; 4] = ["p", "q", "r", "s"];

/// A rule, but for its name.
#[derive(Clone, Debug)]
pub(crate) struct RuleModel {
    pub(crate) action: Action,
    pub(crate) mode: Mode,
    pub(crate) exec: Vec<&'static str>,
    pub(crate) clauses: Vec<String>,
    pub(crate) unless: Vec<String>,
}

/// Rules, and the options of their programs.
#[derive(Clone, Debug)]
pub(crate) struct FileModel {
    pub(crate) rules: Vec<RuleModel>,
    pub(crate) commands: Vec<String>,
}

/// All that is known of an exec, which can borrow nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) names: Vec<&'static str>,
    pub(crate) paths: Vec<&'static str>,
    pub(crate) at: Option<u64>,
    pub(crate) agent: Option<&'static str>,
    pub(crate) users: Option<Vec<Account>>,
    pub(crate) groups: Option<Vec<Account>>,
    pub(crate) host: Option<&'static str>,
    pub(crate) unit: Option<Option<&'static str>>,
    pub(crate) cgroup: Option<&'static str>,
    pub(crate) cwd: Option<&'static str>,
    pub(crate) parents: Option<(Vec<ParentFacts>, bool)>,
    pub(crate) tty: Option<bool>,
    pub(crate) argv: Option<Vec<String>>,
    pub(crate) environment: Option<Vec<Vec<u8>>>,
    pub(crate) sha256: Option<&'static str>,
    pub(crate) owner: Option<Owner>,
}

impl Known {
    /// Calls `use_it` with what the policy takes.
    pub(crate) fn with<T>(&self, use_it: impl FnOnce(&Exec<'_>, &Context<'_>) -> T) -> T {
        let [names, paths] = [&self.names, &self.paths]
            .map(|texts| texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
        let argv: Option<Vec<Alleged>> = self
            .argv
            .as_ref()
            .map(|argv| argv.iter().map(|argument| Alleged::from(argument.as_str())).collect());
        let context = Context {
            hidden: &[],
            at: self.at.map(WallTime),
            agent: self.agent,
            users: self.users.as_deref(),
            groups: self.groups.as_deref(),
            host: self.host,
            unit: self.unit,
            cgroup: self.cgroup.map(str::as_bytes),
            cwd: self.cwd.map(str::as_bytes),
            parents: self.parents.as_ref().map(|(of, cut)| Parents { of, cut: *cut }),
            tty: self.tty,
            argv: argv.as_deref(),
            environment: self.environment.as_deref(),
            sha256: self.sha256,
            owner: self.owner,
        };
        use_it(&Exec { names: &names, paths: &paths }, &context)
    }

    /// Forgets some of it, by the bits of a number.
    pub(crate) fn forget(mut self, what: u32) -> Self {
        let forgotten = |bit: u32| what & (1 << bit) != 0;
        fn drop_if<T>(field: &mut Option<T>, forgotten: bool) {
            if forgotten {
                *field = None;
            }
        }
        drop_if(&mut self.at, forgotten(0));
        drop_if(&mut self.agent, forgotten(1));
        drop_if(&mut self.users, forgotten(2));
        drop_if(&mut self.groups, forgotten(3));
        drop_if(&mut self.host, forgotten(4));
        drop_if(&mut self.unit, forgotten(5));
        drop_if(&mut self.cgroup, forgotten(6));
        drop_if(&mut self.cwd, forgotten(7));
        drop_if(&mut self.parents, forgotten(8));
        drop_if(&mut self.tty, forgotten(9));
        drop_if(&mut self.argv, forgotten(10));
        drop_if(&mut self.environment, forgotten(11));
        drop_if(&mut self.sha256, forgotten(12));
        drop_if(&mut self.owner, forgotten(13));
        if let Some((parents, cut)) = &mut self.parents {
            *cut |= forgotten(14);
            let unread = parents.first_mut().filter(|_| forgotten(15));
            unread.into_iter().for_each(|parent| parent.exe = Alleged::default());
        }
        self
    }
}

/// The text of a file; `first` is the number of its first rule.
pub(crate) fn text_of(file: &FileModel, first: usize) -> String {
    let mut text = file.commands.concat();
    for (index, rule) in file.rules.iter().enumerate() {
        let RuleModel { action, mode, exec, clauses, unless } = rule;
        text += &format!("[[rule]]\nname = 'r{}'\nexec = {exec:?}\naction = '{action}'\n", first + index);
        if mode.observes() {
            text += "mode = 'observe'\n";
        }
        text += &clauses.concat();
        if !unless.is_empty() {
            text += &format!("[rule.unless]\n{}", unless.concat());
        }
    }
    text
}

/// What all files share.
const SETS: &str = "\
    [sets]\n\
    some = ['a', 'ab*', '@more']\n\
    more = ['dev', 'get']\n";

pub(crate) fn sources(files: &[FileModel]) -> Vec<SourceFile> {
    let mut sources = vec![SourceFile { name: "sets.toml".to_owned(), text: SETS.to_owned() }];
    let mut first = 0;
    for (index, file) in files.iter().enumerate() {
        sources.push(SourceFile { name: format!("{index}.toml"), text: text_of(file, first) });
        first += file.rules.len();
    }
    sources
}

/// The files without the rules that only observe; the others have the names that they have among all.
pub(crate) fn enforced_sources(files: &[FileModel]) -> Vec<SourceFile> {
    let mut sources = sources(files);
    for (file, source) in files.iter().zip(sources.iter_mut().skip(1)) {
        let text = text_of(&FileModel { rules: Vec::new(), ..file.clone() }, 0);
        let rules = source.text.strip_prefix(&text).unwrap_or_default().split("[[rule]]\n").skip(1);
        let enforced = rules.filter(|rule| !rule.contains("mode = 'observe'"));
        source.text = text + &enforced.map(|rule| format!("[[rule]]\n{rule}")).collect::<String>();
    }
    sources
}

pub(crate) fn policy_of(files: &[FileModel]) -> Policy {
    read(&sources(files))
}

pub(crate) fn read(sources: &[SourceFile]) -> Policy {
    let (policy, _) = parse(sources).unwrap_or_else(|errors| panic!("{}\n{sources:#?}", errors[0]));
    policy
}

/// One of some lines, or none: as likely as one in so many.
fn line(one_in: u32, lines: &'static [&'static str]) -> BoxedStrategy<String> {
    let line = select(lines).prop_map(|line| format!("{line}\n"));
    weighted(1.0 / f64::from(one_in), line).prop_map(Option::unwrap_or_default).boxed()
}

pub(crate) const SUBCOMMANDS: &[&str] = &[
    "subcommand = 'get'",
    "subcommand = ['get a', 'delete']",
    "subcommand = 'g*'",
    "subcommand = ['* a', 'get b']",
    "subcommand = '@some'",
];

/// The clauses of a rule, or of its exception.
pub(crate) fn clauses() -> impl Strategy<Value = Vec<String>> {
    let lines = vec![
        line(9, &["agents = 'a'", "agents = ['b*', '@some']"]),
        line(9, &["users = 'alice'", "users = ['1', 'bob']"]),
        line(9, &["groups = 'alice'", "groups = ['2', 'b*']"]),
        line(9, &["hosts = 'h1'", "hosts = 'h*'"]),
        line(9, &["units = 'u.service'", "units = '*'"]),
        line(9, &["cgroups = '/a/*'", "cgroups = '/b'"]),
        line(9, &["cwd = '/a/*'", "cwd = '/b'"]),
        line(9, &["parents = 'make'", "parents = ['/usr/*', 'sh']"]),
        line(9, &["tty = true", "tty = false"]),
        line(
            6,
            &[
                "args = { any = ['a', '--n*'] }",
                "args = { all = ['get', 'a'] }",
                "args = { none = ['--force', 'delete'] }",
                "args = { regex = '^-' }",
                "args = { count = { min = 2, max = 4 } }",
            ],
        ),
        line(3, SUBCOMMANDS),
        line(
            3,
            &[
                "flags = { '--name' = 'dev' }",
                "flags = { '--name' = { in = ['dev', 'a'], or_absent = true } }",
                "flags = { '-n' = { not_in = '@some' } }",
                "flags = { '-name' = { not_in = 'prod', or_absent = true } }",
                "flags = { '--force' = { present = true } }",
                "flags = { '--force' = { present = false }, '--name' = { regex = 'e' } }",
                "flags = { '--other' = { in = 'a', alias = ['-o'], or_absent = true } }",
            ],
        ),
        line(
            6,
            &[
                "env = { A = 'a' }",
                "env = { A = { present = false } }",
                "env = { 'A*' = { in = ['a', ''], or_absent = true } }",
                "env = { B = { not_in = 'a' }, A = { regex = '.' } }",
            ],
        ),
        line(6, &["resource = { region = 'eu' }", "resource = { region = { not_in = ['eu', 'us'] } }"]),
        line(
            9,
            &[
                "hours = { days = 'mon-fri' }",
                "hours = { from = '22:00', to = '06:00', zone = 'Europe/Berlin' }",
                "hours = { days = ['sun'], outside = true }",
            ],
        ),
        line(
            9,
            &[
                "dates = { from = '2026-11-01', to = '2026-11-30' }",
                "dates = [{ from = '2026-01-01', to = '2026-01-01', zone = 'Asia/Tokyo' }]",
            ],
        ),
        line(9, &["hash = '0000000000000000000000000000000000000000000000000000000000000000'"]),
        line(9, &["owner = 'root'", "owner = 'other'"]),
        line(
            5,
            &[
                "when = \"agent == 'a' || user == 'alice'\"",
                "when = \"'--name' in flags ? flags['-n'].all(n, n == 'dev') : tty\"",
                "when = \"args.exists(a, a.matches('^-')) && !has(env.A)\"",
                "when = \"env.B != 'b' || env.all(n, n.startsWith('A'))\"",
                "when = \"resource.region == ['eu'] && cwd + '/b' == '/a/b/b'\"",
                "when = \"words.size() > 1 && words[1] != 'b' && hour < 13 && weekday != 'sat'\"",
                "when = \"uid == 1 || '2' in groups || unit == '' || host in ['h1', 'x']\"",
                "when = \"parents.filter(p, p != '/x') != [] && (cgroup != '/b' || owner == 'root')\"",
                "when = '''hash.contains(\"00\") != (at >= \"2026-11-27\")'''",
            ],
        ),
    ];
    lines.prop_map(|mut lines| {
        lines.retain(|line| !line.is_empty());
        lines
    })
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    select(vec![Action::Ask, Action::Deny, Action::Allow, Action::Allow])
}

/// A rule about some of these programs.
pub(crate) fn rule(programs: &'static [&'static str]) -> impl Strategy<Value = RuleModel> {
    let names = select(programs);
    let exec = prop_oneof![
        4 => names.clone().prop_map(|name| vec![name]),
        1 => prop::collection::vec(names.clone(), 2),
        1 => names.prop_map(|name| vec![path_of(name)]),
        1 => names_of_globs(programs),
    ];
    let unless = prop_oneof![2 => Just(Vec::new()), 1 => clauses()];
    let mode = prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::Observe)];
    (action(), mode, exec, clauses(), unless).prop_map(|(action, mode, mut exec, clauses, unless)| {
        exec.dedup();
        RuleModel { action, mode, exec, clauses, unless }
    })
}

fn names_of_globs(programs: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    select(programs).prop_map(|name| match name {
        "p" => vec!["/usr/*/p"],
        "q" => vec!["/usr/*/q"],
        "r" => vec!["/usr/*/r"],
        _ => vec!["/usr/*/s"],
    })
}

fn path_of(name: &'static str) -> &'static str {
    match name {
        "p" => "/usr/bin/p",
        "q" => "/usr/bin/q",
        "r" => "/usr/bin/r",
        _ => "/usr/bin/s",
    }
}

/// What is told of the options of some programs. Of each its region.
pub(crate) fn commands(
    programs: &'static [&'static str],
    more_options: bool,
) -> impl Strategy<Value = Vec<String>> {
    let style = select(vec!["gnu", "pflag", "go", "argparse"]);
    let one = (weighted(0.8, style), any::<bool>(), any::<bool>(), 0..6_u8);
    prop::collection::vec(one, programs.len()).prop_map(move |each| {
        let of = |(program, (style, after, more, stops)): (&&str, (Option<&str>, bool, bool, u8))| {
            let mut text =
                format!("[[resource]]\nname = 'region'\nexec = '{program}'\nflags = '--region'\nenv = ['REGION', 'A']\n");
            if let Some(style) = style {
                let stops = if stops == 0 { "stops_at_word = true\n" } else { "" };
                let more = if more && more_options { "more_options = true\n" } else { "" };
                text += &format!(
                    "[[command]]\nexec = '{program}'\nstyle = '{style}'\nvalues = ['-n', '--name', '--region']\n\
                     flags = ['-f', '--force', '-v']\naliases = {{ '-n' = '--name', '-f' = '--force' }}\n{stops}{more}"
                );
            }
            if style.is_some() && after {
                text += &format!(
                    "[[command]]\nexec = '{program}'\nafter = ['get', 'delete']\nvalues = ['--other', '-o']\nflags = ['-n']\n"
                );
            }
            text
        };
        programs.iter().zip(each).map(of).collect()
    })
}

/// Rules about some programs, and what is told of these.
pub(crate) fn file(programs: &'static [&'static str]) -> impl Strategy<Value = FileModel> {
    (prop::collection::vec(rule(programs), 0..5), commands(programs, true))
        .prop_map(|(rules, commands)| FileModel { rules, commands })
}

/// Files that are read in this order, with what is told of the programs in the first.
pub(crate) fn files() -> impl Strategy<Value = Vec<FileModel>> {
    let rules = prop::collection::vec(prop::collection::vec(rule(&PROGRAMS[..2]), 0..4), 1..3);
    (rules, commands(&PROGRAMS[..2], true)).prop_map(|(rules, commands)| {
        let mut files: Vec<FileModel> =
            rules.into_iter().map(|rules| FileModel { rules, commands: Vec::new() }).collect();
        files[0].commands = commands;
        files
    })
}

pub(crate) fn argument() -> impl Strategy<Value = String> {
    let known = select(vec![
        "get",
        "delete",
        "a",
        "b",
        "-n",
        "--name",
        "--name=dev",
        "--name=prod",
        "-ndev",
        "-n=dev",
        "-f",
        "--force",
        "-fv",
        "--force=false",
        "-name",
        "--region",
        "--region=eu",
        "--other",
        "-o",
        "--",
        "-",
        "",
        "dev",
        "prod",
        "eu",
        "us",
    ]);
    prop_oneof![20 => known.prop_map(str::to_owned), 1 => ".{0,3}", 1 => "-[a-z-]{1,3}(=[a-z])?"]
}

fn account() -> impl Strategy<Value = Account> {
    let name = select(vec![Some("alice"), Some("bob"), None]);
    (0..3_u32, name).prop_map(|(id, name)| Account { id, name: name.map(str::to_owned) })
}

/// An exec of one of these programs.
pub(crate) fn known(programs: &'static [&'static str]) -> impl Strategy<Value = Known> {
    let who = (
        weighted(0.8, select(vec![1_795_780_800_000, 1_795_737_600_000, 1_796_000_000_000, u64::MAX])),
        weighted(0.8, select(vec!["a", "ab", "b"])),
        weighted(0.8, prop::collection::vec(account(), 0..3)),
        weighted(0.8, prop::collection::vec(account(), 0..3)),
        weighted(0.8, select(vec!["h1", "h2", "x"])),
        weighted(0.8, select(vec![Some("u.service"), Some("v"), None])),
        weighted(0.8, select(vec!["/a/b", "/b", ""])),
        weighted(0.8, select(vec!["/a/b", "/b"])),
    );
    let exe = select(vec!["/usr/bin/make", "/bin/sh", "/x", ""]).prop_map(|exe| ParentFacts {
        pid: 1,
        exe: Alleged::from(exe),
        command: Alleged::default(),
    });
    let string = prop_oneof![
        9 => select(vec!["A=a", "A=", "A=b", "AB=a", "B=a", "B=b", "REGION=eu", "REGION=", "REGION=us", "POSIXLY_CORRECT=1"])
            .prop_map(|string| string.as_bytes().to_vec()),
        1 => any::<Vec<u8>>(),
    ];
    let what = (
        weighted(0.8, (prop::collection::vec(exe, 0..3), any::<bool>())),
        weighted(0.8, any::<bool>()),
        weighted(0.9, prop::collection::vec(argument(), 0..6)),
        weighted(0.8, prop::collection::vec(string, 0..5)),
        weighted(0.8, select(vec!["0000000000000000000000000000000000000000000000000000000000000000", "x"])),
        weighted(0.8, select(vec![Owner::Root, Owner::Other])),
    );
    let exec = (prop::collection::vec(select(programs), 1..3), weighted(0.8, select(programs)));
    (exec, who, what).prop_map(|((mut names, path), who, what)| {
        let (at, agent, users, groups, host, unit, cgroup, cwd) = who;
        let (parents, tty, argv, environment, sha256, owner) = what;
        names.sort_unstable();
        names.dedup();
        let paths = path.map(path_of).into_iter().collect();
        let exec = Known { names, paths, at, agent, users, groups, host, unit, ..Known::default() };
        Known { cgroup, cwd, parents, tty, argv, environment, sha256, owner, ..exec }
    })
}
