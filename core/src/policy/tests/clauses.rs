//! Each clause where it holds, where it does not, and where nobody can tell.

use super::{
    Account, Action, Context, Owner, Parents, Truth,
    Truth::{Doubt, No, Yes},
    exec, policy,
};
use crate::{alleged::Alleged, facts::ParentFacts, policy::case::point_in_time};

/// What the daemon knows of an exec.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) at: &'static str,
    pub(super) agent: &'static str,
    pub(super) users: Vec<Account>,
    pub(super) groups: Vec<Account>,
    pub(super) unit: Option<&'static str>,
    pub(super) parents: Vec<&'static str>,
    pub(super) cut: bool,
    pub(super) argv: &'static str,
    pub(super) environment: Vec<&'static str>,
    pub(super) owner: Owner,
}

pub(super) fn account(id: u32, name: &str) -> Account {
    Account { id, name: (!name.is_empty()).then(|| name.to_owned()) }
}

pub(super) fn known() -> Known {
    Known {
        at: "2026-11-27T12:00:00Z",
        agent: "coder",
        users: vec![account(1000, "alice")],
        groups: vec![account(1000, "alice"), account(27, "sudo"), account(4242, "")],
        unit: Some("agent.service"),
        parents: vec!["/usr/bin/make", "/opt/agent/run"],
        cut: false,
        argv: "x get pods -n dev",
        environment: vec!["HOME=/home/alice", "EMPTY=", "TWICE=a", "TWICE=b", "ODD"],
        owner: Owner::Root,
    }
}

pub(super) const PROGRAM: &str = "\
    [sets]\n\
    production = ['prod', 'prod-*']\n\
    [[command]]\n\
    exec = ['x']\n\
    style = 'pflag'\n\
    values = ['-n', '--namespace', '-o', '--region']\n\
    flags = ['-A', '--all', '--force']\n\
    aliases = { '-n' = '--namespace', '-A' = '--all' }\n\
    [[resource]]\n\
    name = 'region'\n\
    exec = ['x']\n\
    flags = ['--region']\n\
    env = ['REGION', 'DEFAULT_REGION']\n\
    [[resource]]\n\
    name = 'zone'\n\
    exec = ['x']\n\
    env = ['ZONE']\n\
    default = 'a'\n";

pub(super) fn holds_in(lines: &str, known: &Known, unknown: impl FnOnce(&mut Context<'_>)) -> Truth {
    let rule = "[[rule]]\nname = 'r'\nexec = ['x']\naction = 'allow'\n";
    let policy = policy(&format!("{PROGRAM}{rule}{lines}\n"));
    let parents: Vec<ParentFacts> = known
        .parents
        .iter()
        .map(|exe| ParentFacts { pid: 1, exe: Alleged::from(*exe), command: Alleged::default() })
        .collect();
    let argv: Vec<Alleged> = known.argv.split(' ').map(Alleged::from).collect();
    let environment: Vec<Vec<u8>> =
        known.environment.iter().map(|string| string.as_bytes().to_vec()).collect();
    let sha256 = "ab".repeat(32);
    let mut context = Context {
        hidden: &[],
        at: point_in_time(known.at),
        agent: Some(known.agent),
        users: Some(&known.users),
        groups: Some(&known.groups),
        host: Some("build-7"),
        unit: Some(known.unit),
        cgroup: Some(b"/system.slice/agent.service"),
        cwd: Some(b"/home/alice/work"),
        parents: Some(Parents { of: &parents, cut: known.cut }),
        tty: Some(false),
        argv: Some(&argv),
        environment: Some(&environment),
        sha256: Some(&sha256),
        owner: Some(known.owner),
    };
    unknown(&mut context);
    let explanation = policy.explain(&exec(&[b"x"], &[]), &context);
    let [considered] = explanation.rules.as_slice() else { panic!("{explanation:?}") };
    assert_eq!(considered.applies, considered.holds == Yes, "a rule that allows");
    assert_eq!(explanation.decision.action == Action::Allow, considered.holds == Yes);
    considered.holds
}

pub(super) fn holds(lines: &str) -> Truth {
    holds_in(lines, &known(), |_| {})
}

/// Of a rule about these arguments.
pub(super) fn of_argv(argv: &'static str, lines: &str) -> Truth {
    holds_in(lines, &Known { argv, ..known() }, |_| {})
}

pub(super) fn of_environment(environment: &[&'static str], lines: &str) -> Truth {
    holds_in(lines, &Known { environment: environment.to_vec(), ..known() }, |_| {})
}

#[test]
fn what_is_known_holds_or_does_not_and_what_is_not_known_is_in_doubt() {
    type Forget = fn(&mut Context<'_>);
    let each: [(&str, &str, Forget); 15] = [
        ("agents = ['co*', 'x']", "agents = 'cod'", |context| context.agent = None),
        ("users = 'alice'", "users = 'bob'", |context| context.users = None),
        ("users = '1000'", "users = '100'", |context| context.users = None),
        ("groups = 'sudo'", "groups = 'wheel'", |context| context.groups = None),
        ("groups = '4242'", "groups = '4*3'", |context| context.groups = None),
        ("hosts = 'build-[0-9]'", "hosts = 'Build-7'", |context| context.host = None),
        ("units = '*.service'", "units = 'agent'", |context| context.unit = None),
        ("cgroups = '/system.slice/*'", "cgroups = '/user.slice/*'", |context| context.cgroup = None),
        ("cwd = '/home/*'", "cwd = '/home'", |context| context.cwd = None),
        ("parents = 'make'", "parents = ['mak', '/bin/make']", |context| context.parents = None),
        ("tty = false", "tty = true", |context| context.tty = None),
        ("args = { any = 'pods' }", "args = { any = 'pod' }", |context| context.argv = None),
        ("subcommand = 'get'", "subcommand = 'set'", |context| context.argv = None),
        ("env = { HOME = '/home/*' }", "env = { HOME = '/root' }", |context| context.environment = None),
        ("owner = 'root'", "owner = 'other'", |context| context.owner = None),
    ];
    for (yes, no, forget) in each {
        assert_eq!(holds(yes), Yes, "{yes}");
        assert_eq!(holds(no), No, "{no}");
        for lines in [yes, no] {
            assert_eq!(holds_in(lines, &known(), forget), Doubt, "{lines}");
            let unless = format!("[rule.unless]\n{lines}");
            assert_eq!(holds_in(&unless, &known(), forget), Doubt, "{unless}");
            assert_eq!(holds(&unless), !holds(lines), "{unless}");
        }
    }
    let hash = |digits: &str| format!("hash = '{}'", digits.repeat(32));
    assert_eq!((holds(&hash("aB")), holds(&hash("ac"))), (Yes, No), "capitals make no difference");
    assert_eq!(holds_in(&hash("ab"), &known(), |context| context.sha256 = None), Doubt);
}

#[test]
fn several_clauses_hold_where_all_do_and_a_no_outdoes_a_doubt() {
    let no_agent = |context: &mut Context<'_>| context.agent = None;
    let yes = "tty = false";
    assert_eq!(holds(&format!("{yes}\nagents = 'coder'")), Yes);
    assert_eq!(holds(&format!("{yes}\nagents = 'other'")), No);
    assert_eq!(holds_in(&format!("{yes}\nagents = 'coder'"), &known(), no_agent), Doubt);
    assert_eq!(holds_in("tty = true\nagents = 'coder'", &known(), no_agent), No);
    // An exception with several: it is none where one of them does not hold.
    assert_eq!(holds("[rule.unless]\ntty = false\nagents = 'coder'"), No);
    assert_eq!(holds("[rule.unless]\ntty = false\nagents = 'other'"), Yes);
    assert_eq!(holds_in("[rule.unless]\ntty = true\nagents = 'coder'", &known(), no_agent), Yes);
    assert_eq!(holds_in("[rule.unless]\ntty = false\nagents = 'coder'", &known(), no_agent), Doubt);
    assert_eq!(holds_in("tty = true\n[rule.unless]\nagents = 'coder'", &known(), no_agent), No);
}

#[test]
fn users_that_disagree_are_in_doubt_and_one_group_suffices() {
    let setuid = Known { users: vec![account(1000, "alice"), account(0, "root")], ..known() };
    assert_eq!(holds_in("users = 'alice'", &setuid, |_| {}), Doubt);
    assert_eq!(holds_in("users = ['alice', '0']", &setuid, |_| {}), Yes);
    assert_eq!(holds_in("users = 'bob'", &setuid, |_| {}), No);
    assert_eq!(holds_in("users = 'alice'", &Known { users: vec![], ..known() }, |_| {}), Doubt);
    assert_eq!(holds_in("groups = 'sudo'", &Known { groups: vec![], ..known() }, |_| {}), No);
    assert_eq!(holds_in("units = '*'", &Known { unit: None, ..known() }, |_| {}), No, "in no unit");
}

#[test]
fn parents_that_are_not_known_may_be_any() {
    for (parents, cut, expected) in [
        (vec!["/usr/bin/make", "/x"], true, Yes),
        (vec!["/usr/bin/gmake", "/x"], true, Doubt),
        (vec!["/usr/bin/gmake", ""], false, Doubt),
        (vec!["/usr/bin/gmake", "/x"], false, No),
        (vec![], false, No),
        (vec![], true, Doubt),
    ] {
        let known = Known { parents: parents.clone(), cut, ..known() };
        assert_eq!(holds_in("parents = 'make'", &known, |_| {}), expected, "{parents:?}");
    }
    assert_eq!(holds("parents = '/opt/*'"), Yes);
    assert_eq!(holds("parents = '/opt/agent'"), No);
}

#[test]
fn arguments_are_looked_at_one_by_one_as_they_stand() {
    for (test, expected) in [
        ("any = ['-n', 'x']", Yes),
        ("any = 'x'", No),
        ("all = ['get', 'p*']", Yes),
        ("all = ['get', 'q*']", No),
        ("none = ['--force']", Yes),
        ("none = ['-n*']", No),
        ("regex = '^po'", Yes),
        ("regex = '^ods'", No),
        ("regex = 'get pods'", No),
        ("count = 4", Yes),
        ("count = 5", No),
        ("count = { min = 2 }", Yes),
        ("count = { max = 3 }", No),
        ("count = { min = 4, max = 4 }, any = 'get'", Yes),
        ("count = { min = 4, max = 4 }, any = 'set'", No),
    ] {
        assert_eq!(holds(&format!("args = {{ {test} }}")), expected, "{test}");
    }
    let none = |context: &mut Context<'_>| context.argv = Some(&[]);
    assert_eq!(holds_in("args = { count = 0 }", &known(), none), Yes, "not even argv[0]");
    assert_eq!(holds_in("args = { any = '*' }", &known(), none), No);
    assert_eq!(of_argv("x --unknown get", "args = { any = 'get' }"), Yes, "no option is read here");
}

#[test]
fn a_subcommand_is_the_first_words_and_in_doubt_behind_an_option_that_nobody_knows() {
    for (argv, subcommand, expected) in [
        ("x get pods", "get", Yes),
        ("x get pods", "get pods", Yes),
        ("x get pods", "g* p?ds", Yes),
        ("x get pods", "pods", No),
        ("x get", "get pods", No),
        ("x", "get", No),
        ("x -n get delete", "get", No),
        ("x -n get delete", "delete", Yes),
        ("x --force get", "get", Yes),
        ("x --unknown get", "get", Doubt),
        ("x --unknown get", "set", Doubt),
        ("x get --unknown pods", "get", Doubt),
        ("x get --unknown pods", "set", No),
        ("x get --unknown=1 pods", "get pods", Doubt),
        ("x get --unknown=1 pods", "get nodes", No),
        ("x -- get", "get", Doubt),
        ("x get -- pods", "get pods", Yes),
        ("x get -n", "get", Doubt),
    ] {
        assert_eq!(of_argv(argv, &format!("subcommand = '{subcommand}'")), expected, "{argv}: {subcommand}");
    }
    assert_eq!(of_argv("x rollout status", "subcommand = ['get', 'rollout status']"), Yes);
}

#[test]
fn flags_are_found_by_any_name_and_values_that_disagree_are_in_doubt() {
    let namespace = |test: &str| format!("flags = {{ '--namespace' = {test} }}");
    let (within, not_within) = (namespace("'dev'"), namespace("{ not_in = '@production' }"));
    for (argv, is_dev, is_not_prod) in [
        ("x -n dev get", Yes, Yes),
        ("x get --namespace=dev", Yes, Yes),
        ("x get -ndev", Yes, Yes),
        ("x get -n=dev", Yes, Yes),
        ("x get -An dev", Doubt, Doubt),
        ("x -n prod-eu get", No, No),
        ("x -n dev -n prod", Doubt, Doubt),
        ("x -n dev --namespace dev", Yes, Yes),
        ("x -n test --namespace dev", Doubt, Yes),
        ("x get", No, No),
        ("x get --unknown", Doubt, Doubt),
        ("x get --unknown=1", Doubt, Doubt),
        ("x get -n", Doubt, Doubt),
        ("x get -- -n dev", No, No),
    ] {
        // cobra looks for the verb before it takes clusters apart.
        let known = if argv == "x get -An dev" { (Yes, Yes) } else { (is_dev, is_not_prod) };
        assert_eq!((of_argv(argv, &within), of_argv(argv, &not_within)), known, "{argv}");
    }
    for (argv, test, expected) in [
        ("x get", "{ present = false }", Yes),
        ("x -n a", "{ present = false }", No),
        ("x -n a", "{ present = true }", Yes),
        ("x get", "{ present = true }", No),
        ("x get", "{ in = 'a', or_absent = true }", Yes),
        ("x -n b", "{ in = 'a', or_absent = true }", No),
        ("x -n b", "{ in = ['a', 'b'], not_in = 'b' }", No),
        ("x -n ab", "{ regex = 'b$' }", Yes),
        ("x -n ba", "{ regex = 'b$' }", No),
        ("x --namespace=", "''", Yes),
    ] {
        assert_eq!(of_argv(argv, &namespace(test)), expected, "{argv}: {test}");
    }
    assert_eq!(of_argv("x get -o json", "flags = { '--output' = { in = 'json', alias = '-o' } }"), Yes);
    assert_eq!(of_argv("x get -A", "flags = { '--all' = { present = true } }"), Yes);
    assert_eq!(of_argv("x get --all=false", "flags = { '--all' = 'false' }"), Yes);
}

#[test]
fn a_name_can_mean_another_by_way_of_a_third_after_some_words() {
    let decided = |aliases: [&str; 2], argv: &str, name: &str| {
        let [always, after_get] = aliases;
        let text = format!(
            "[[command]]\nexec = 'x'\nstyle = 'pflag'\nvalues = ['-n', '--name', '--title']\naliases = {{ {always} }}\n\
             [[command]]\nexec = 'x'\nafter = 'get'\naliases = {{ {after_get} }}\n\
             [[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\nflags = {{ '{name}' = 'a' }}\n"
        );
        let argv: Vec<Alleged> = argv.split(' ').map(Alleged::from).collect();
        let context = Context { argv: Some(&argv), ..Context::default() };
        policy(&text).explain(&exec(&[b"x"], &[]), &context).rules[0].holds
    };
    let (short, long) = ("'-n' = '--name'", "'--name' = '--title'");
    let names = ["-n", "--name", "--title"];
    for aliases in [[short, long], [long, short]] {
        for (seen, name) in names.iter().flat_map(|seen| names.map(|name| (seen, name))) {
            assert_eq!(decided(aliases, &format!("x get {seen} a"), name), Yes, "{seen} {name}");
            assert_eq!(decided(aliases, &format!("x {seen} a get"), name), Yes, "{seen} {name}");
        }
    }
    let elsewhere = |name: &str| decided([short, long], "x put -n a", name);
    assert_eq!(names.map(elsewhere), [Yes, Yes, No]);
}

/// <https://www.gnu.org/software/libc/manual/html_node/Using-Getopt.html>
#[test]
fn where_the_first_word_may_end_the_options_of_a_gnu_program_what_follows_is_in_doubt() {
    let rule = "[[command]]\nexec = 'x'\nvalues = '--name'\n[[rule]]\nname = 'r'\nexec = ['x']\naction = 'allow'\nflags = { '--name' = 'a' }\n";
    let decided = |argv: &str, environment: Option<&[Vec<u8>]>| {
        let argv: Vec<Alleged> = argv.split(' ').map(Alleged::from).collect();
        let context = Context { argv: Some(&argv), environment, ..Context::default() };
        policy(rule).explain(&exec(&[b"x"], &[]), &context).rules[0].holds
    };
    let [none, correct] = [vec![], vec![b"POSIXLY_CORRECT=".to_vec()]];
    for (argv, environment, expected) in [
        ("x --name a get", Some(&none), Yes),
        ("x get --name a", Some(&none), Yes),
        ("x --name a get", Some(&correct), Yes),
        ("x get --name a", Some(&correct), Doubt),
        ("x get --name a", None, Doubt),
    ] {
        assert_eq!(decided(argv, environment.map(Vec::as_slice)), expected, "{argv} {environment:?}");
    }
}

#[test]
fn variables_are_all_of_a_name_or_of_a_glob() {
    for (test, expected) in [
        ("EMPTY = ''", Yes),
        ("EMPTY = { present = true }", Yes),
        ("NONE = { present = false }", Yes),
        ("NONE = 'a'", No),
        ("NONE = { in = 'a', or_absent = true }", Yes),
        ("HOM = '*'", No),
        ("ODD = { present = false }", Yes),
        ("TWICE = 'a'", Doubt),
        ("TWICE = ['a', 'b']", Yes),
        ("TWICE = 'c'", No),
        ("'T*' = ['a', 'b']", Yes),
        ("'*' = ['a', 'b']", Doubt),
        ("'X*' = { present = false }", Yes),
        ("'[HE]*' = { present = false }", No),
    ] {
        assert_eq!(holds(&format!("env = {{ {test} }}")), expected, "{test}");
    }
}

#[test]
fn a_resource_is_told_by_an_option_else_a_variable_else_its_default() {
    let region = "resource = { region = 'eu-*' }";
    let zone = "resource = { zone = { not_in = 'b' } }";
    for (argv, environment, expected) in [
        ("x get --region eu-1", &[][..], Yes),
        ("x get --region us-1", &["REGION=eu-1"], No),
        ("x get --region us-1 --region eu-1", &[], Doubt),
        ("x get", &["REGION=eu-1"], Yes),
        ("x get", &["REGION=us-1", "DEFAULT_REGION=eu-1"], No),
        ("x get", &["DEFAULT_REGION=eu-1"], Yes),
        // Some programs take an empty one for absent, others do not.
        ("x get", &["REGION=", "DEFAULT_REGION=eu-1"], Doubt),
        ("x get", &["REGION=eu-1", "REGION=us-1"], Doubt),
        ("x get", &[], Doubt),
        ("x get --unknown", &["REGION=eu-1"], Doubt),
    ] {
        let known = Known { argv, environment: environment.to_vec(), ..known() };
        assert_eq!(holds_in(region, &known, |_| {}), expected, "{argv} {environment:?}");
    }
    assert_eq!(of_environment(&[], zone), Yes, "by default a");
    assert_eq!(of_environment(&["ZONE=b"], zone), No);
    assert_eq!(of_environment(&[], "resource = { zone = { present = false } }"), No);
    let no_environment = |context: &mut Context<'_>| context.environment = None;
    assert_eq!(holds_in(zone, &known(), no_environment), Doubt);
    let told = Known { argv: "x --region eu-1", ..known() };
    assert_eq!(holds_in(region, &told, no_environment), Yes, "the option comes first");
}

#[test]
fn hours_and_dates_are_those_of_their_zone() {
    let at = |at: &'static str, lines: &str| holds_in(lines, &Known { at, ..known() }, |_| {});
    let work = "hours = { days = 'mon-fri', from = '09:00', to = '17:00', zone = 'Europe/Berlin' }";
    assert_eq!(at("2026-11-27T08:00:00Z", work), Yes);
    assert_eq!(at("2026-11-27T07:59:59Z", work), No);
    assert_eq!(at("2026-11-28T12:00:00Z", work), No);
    let outside = work.replace(" }", ", outside = true }");
    assert_eq!((at("2026-11-27T08:00:00Z", &outside), at("2026-11-28T12:00:00Z", &outside)), (No, Yes));
    let turn = "hours = { days = ['sat-mon'], zone = 'UTC' }";
    let days = ["2026-11-27", "2026-11-28", "2026-11-29", "2026-11-30", "2026-12-01"];
    let times = days.map(|day| format!("{day}T12:00:00Z").leak() as &'static str);
    assert_eq!(times.map(|time| at(time, turn)), [No, Yes, Yes, Yes, No], "over the end of the week");
    let all_day = "hours = { from = '00:00', to = '24:00' }";
    assert_eq!(at("2026-11-27T23:59:59Z", all_day), Yes);
    let dates =
        "dates = [{ from = '2026-11-27', to = '2026-11-27' }, { from = '2026-12-24', to = '2026-12-26' }]";
    assert_eq!((at("2026-11-27T12:00:00Z", dates), at("2026-11-28T00:00:00Z", dates)), (Yes, No));
    assert_eq!(at("2026-12-25T12:00:00Z", dates), Yes);
    for lines in [work, dates] {
        assert_eq!(holds_in(lines, &known(), |context| context.at = None), Doubt);
        let beyond = |context: &mut Context<'_>| context.at = Some(crate::time::WallTime(u64::MAX));
        assert_eq!(holds_in(lines, &known(), beyond), Doubt, "the calendar has no such day");
    }
}

#[test]
fn who_decides_by_default_and_what_doubt_does() {
    let of = |action: &str, unknown: bool| {
        let rules = format!(
            "[[rule]]\nname = 'r'\nexec = ['x']\naction = '{action}'\ntty = true\n[[rule]]\nname = 'last'\nexec = ['x']\naction = 'allow'\n"
        );
        let context = Context { tty: (!unknown).then_some(false), ..Context::default() };
        let decision = policy(&rules).decide(&exec(&[b"x"], &[]), &context);
        (decision.action, decision.rule.unwrap_or_default(), decision.because)
    };
    let (last, first) = (
        "name 'x' in rule 'last' (10.toml:8)",
        "name 'x' in rule 'r' (10.toml:3); in doubt, which counts as a yes: tty (not known)",
    );
    for action in ["ask", "deny", "allow"] {
        assert_eq!(of(action, false), (Action::Allow, "last".into(), last.into()), "{action}");
    }
    assert_eq!(of("ask", true), (Action::Ask, "r".into(), first.into()));
    assert_eq!(of("deny", true), (Action::Deny, "r".into(), first.into()));
    assert_eq!(of("allow", true), (Action::Allow, "last".into(), last.into()));
}
