//! `when`: what an expression says, where it is in doubt, and what is none.

use std::collections::BTreeSet;

use super::{
    super::when::{FUNCTIONS, VARIABLES},
    Action, Context, Parents, Truth,
    Truth::{Doubt, No, Yes},
    clauses::{Known, account, holds_in, known, of_argv, of_environment},
    errors, exec, policy, warnings,
};
use crate::{alleged::Alleged, facts::ParentFacts};

pub(super) fn line(expression: &str) -> String {
    format!("when = {}", serde_json::to_string(expression).unwrap())
}

pub(super) fn holds(expression: &str) -> Truth {
    holds_in(&line(expression), &known(), |_| {})
}

pub(super) fn rule(expression: &str) -> String {
    format!("[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\n{}\n", line(expression))
}

/// The one message about an expression, and the text under the carets.
pub(super) fn fault(expression: &str) -> (String, String) {
    let errors = errors(&rule(expression));
    assert_eq!(errors.len(), 1, "{expression}: {errors:?}");
    let error = &errors[0];
    assert_eq!((error.file.as_str(), error.line), ("10.toml", 5), "{expression}");
    let marked = error.source_line.chars().skip(error.indent).take(error.width).collect();
    (error.message.clone(), marked)
}

#[test]
fn an_expression_holds_or_does_not() {
    for (expression, expected) in [
        ("program == 'x'", Yes),
        ("args == ['get', 'pods', '-n', 'dev']", Yes),
        ("size(args) > 4 || args.size() < 4", No),
        ("words[0] == 'get' && words[1].startsWith('po')", Yes),
        ("'-n' in flags && flags['--namespace'] == ['dev']", Yes),
        ("flags['-n'].all(n, n.matches('^(dev|test)$'))", Yes),
        ("!('--force' in flags)", Yes),
        ("env.HOME == '/home/' + user", Yes),
        ("has(env.HOME) && !has(env.AWS_PROFILE)", Yes),
        ("'HOME' in env ? env['HOME'].endsWith('alice') : false", Yes),
        ("resource.zone == ['a'] && 'a' in resource['zone']", Yes),
        ("agent in ['coder', 'tester'] && agent.contains('od')", Yes),
        ("user == 'alice' && uid == 1000 && uid != 0", Yes),
        ("'sudo' in groups && '27' in groups && '4242' in groups", Yes),
        ("'wheel' in groups", No),
        ("host == 'build-7' && unit == 'agent.service'", Yes),
        ("cgroup.startsWith('/system.slice/')", Yes),
        ("cwd.startsWith('/home/' + user + '/')", Yes),
        ("parents.exists(p, p.endsWith('/make')) && parents[0] == '/usr/bin/make'", Yes),
        ("tty", No),
        ("hash.size() == 64 && owner == 'root'", Yes),
        ("at >= '2026-11-27' && at < '2026-11-28T00:00:00Z' && at == '2026-11-27T12:00:00Z'", Yes),
        ("hour == 12 && !(weekday in ['sat', 'sun']) && weekday == 'fri'", Yes),
        ("args.filter(a, a.startsWith('-')).map(a, a + '!') == ['-n!']", Yes),
        ("args.exists_one(a, a == 'get') && args.map(a, size(a)) == [3, 4, 2, 3]", Yes),
        ("int('0' + '7') * 2 - 4 == 10 && 7 / 2 == 3 && 7 % 2 == -(-1) && tty == false", Yes),
        ("// a comment with ((((\n words != [] // and ''' another", Yes),
        ("program == \"x\" && program == r'x' && program == '''x''' && program != '\\x61\\u00e4\\n\\''", Yes),
    ] {
        assert_eq!(holds(expression), expected, "{expression}");
        assert_eq!(holds(&format!("!({expression}\n)")), !expected, "{expression}");
        let unless = format!("[rule.unless]\n{}", line(expression));
        assert_eq!(holds_in(&unless, &known(), |_| {}), !expected, "{expression}");
    }
}

#[test]
fn each_variable_that_is_not_known_is_in_doubt_whatever_the_expression_makes_of_it() {
    type Forget = fn(&mut Context<'_>);
    let each: [(&str, &str, Forget); 20] = [
        ("args", "size(args) >= 0", |context| context.argv = None),
        ("words", "size(words) >= 0", |context| context.argv = None),
        ("flags", "'-n' in flags", |context| context.argv = None),
        ("env", "has(env.NONE)", |context| context.environment = None),
        ("resource", "resource.zone == ['a']", |context| context.environment = None),
        ("agent", "agent != ''", |context| context.agent = None),
        ("user", "user != ''", |context| context.users = None),
        ("uid", "uid != 0", |context| context.users = None),
        ("groups", "groups != []", |context| context.groups = None),
        ("host", "host != ''", |context| context.host = None),
        ("unit", "unit != ''", |context| context.unit = None),
        ("cgroup", "cgroup != ''", |context| context.cgroup = None),
        ("cwd", "cwd != ''", |context| context.cwd = None),
        ("parents", "parents != []", |context| context.parents = None),
        ("tty", "!tty", |context| context.tty = None),
        ("hash", "hash != ''", |context| context.sha256 = None),
        ("owner", "owner != ''", |context| context.owner = None),
        ("at", "at != ''", |context| context.at = None),
        ("hour", "hour != 25", |context| context.at = None),
        ("weekday", "weekday != ''", |context| context.at = None),
    ];
    let tried: Vec<&str> = each.iter().map(|(name, ..)| *name).collect();
    for (name, ..) in VARIABLES {
        assert!(tried.contains(&name) || name == "program", "{name}");
    }
    for (name, expression, forget) in each {
        // What is known of it makes no difference to these either, and yet they are in doubt.
        for whole in [
            expression.to_owned(),
            format!("!({expression})"),
            format!("{expression} || program == 'x'"),
            format!("program == 'x' || {expression}"),
            format!("program == 'y' && {expression}"),
            format!("{expression} && program == 'y'"),
            format!("program == 'x' ? true : {expression}"),
            format!(
                "['a'].exists(i, {})",
                if name.ends_with('s') || name == "resource" { "false" } else { expression }
            ) + &format!(" || {expression}"),
        ] {
            assert_ne!(holds(&whole), Doubt, "{whole}");
            assert_eq!(holds_in(&line(&whole), &known(), forget), Doubt, "{whole}");
            let unless = format!("[rule.unless]\n{}", line(&whole));
            assert_eq!(holds_in(&unless, &known(), forget), Doubt, "{whole}");
        }
    }
}

#[test]
fn doubt_asks_and_denies_and_never_allows() {
    for (action, expected) in [("ask", Action::Ask), ("deny", Action::Deny), ("allow", Action::Ask)] {
        let text = rule("flags['--x'] == ['a']").replace("'ask'", &format!("'{action}'"));
        let argv = ["x", "--x", "a"].map(Alleged::from);
        let context = Context { argv: Some(&argv), ..Context::default() };
        let decision = policy(&text).decide(&exec(&[b"x"], &[]), &context);
        assert_eq!(decision.action, expected, "{action}");
        let because =
            "in doubt, which counts as a yes: when (flags is in doubt: no [[command]] knows the option --x)";
        assert_eq!(decision.because.contains(because), action != "allow", "{}", decision.because);
    }
}

#[test]
fn an_error_is_in_doubt_but_not_where_the_rest_decides() {
    for expression in [
        "flags['--region'] == ['eu']",
        "env.NONE == 'a'",
        "env[user] == 'a'",
        "words[7] == 'a'",
        "args[-1] == 'a'",
        "int(user) == 1",
        "9223372036854775807 + uid > 0",
        "1 / (uid - 1000) == 1",
        "1 % (uid - 1000) == 1",
        "env.NONE == 'a' || tty",
        "args.all(a, int(a) > 0)",
        "args.map(a, int(a)) == [1]",
        "env.NONE == 'a' ? true : true",
    ] {
        assert_eq!(holds(expression), Doubt, "{expression}");
        assert_eq!(holds(&format!("!({expression})")), Doubt, "{expression}");
    }
    // Whatever it were, this is what comes of it.
    assert_eq!(holds("env.NONE == 'a' || !tty"), Yes);
    assert_eq!(holds("env.NONE == 'a' && tty"), No);
}

#[test]
fn what_disagrees_with_itself_is_in_doubt() {
    let both = |first, second| Known { users: vec![first, second], ..known() };
    let setuid = both(account(1000, "alice"), account(0, "root"));
    for expression in ["user == 'alice'", "user != 'bob'", "uid != 7"] {
        assert_eq!(holds_in(&line(expression), &setuid, |_| {}), Doubt, "{expression}");
        let none = Known { users: vec![], ..known() };
        assert_eq!(holds_in(&line(expression), &none, |_| {}), Doubt, "{expression}");
    }
    let same = both(account(1000, "alice"), account(1000, "alice"));
    assert_eq!(holds_in(&line("user == 'alice' && uid == 1000"), &same, |_| {}), Yes);
    let unnamed = Known { users: vec![account(4242, "")], ..known() };
    assert_eq!(holds_in(&line("user == '4242'"), &unnamed, |_| {}), Yes);
    // Of whom a case tells the name alone.
    let named = Known { users: vec![account(u32::MAX, "deploy")], ..known() };
    assert_eq!(holds_in(&line("user == 'deploy'"), &named, |_| {}), Yes);
    assert_eq!(holds_in(&line("uid != 0"), &named, |_| {}), Doubt);

    assert_eq!(holds("env.TWICE == 'a' || true"), Doubt);
    assert_eq!(holds("env.exists(name, name == 'HOME')"), Doubt, "TWICE is looked at, too");
    assert_eq!(holds("env.HOME == '/home/alice'"), Yes, "TWICE is not looked at");
    assert_eq!(of_environment(&["A=a", "A=a", "ODD"], &line("env.A == 'a' && env.size() == 1")), Yes);
    assert_eq!(of_environment(&["A="], &line("has(env.A) && env.A == ''")), Yes);
    let all = "env.all(name, !name.startsWith('AWS_ENDPOINT_URL') || env[name] == '')";
    assert_eq!(of_environment(&["AWS_ENDPOINT_URL_S3=", "B=b"], &line(all)), Yes);
    assert_eq!(of_environment(&["AWS_ENDPOINT_URL_S3=x", "B=b"], &line(all)), No);

    for (argv, expected) in [
        ("x get --namespace=dev -n dev", Yes),
        ("x get -n dev -n prod", No),
        ("x get -n dev --new", Doubt),
        ("x get", Doubt),
        ("x -- get -n dev", Doubt),
    ] {
        assert_eq!(of_argv(argv, &line("flags['--namespace'].all(n, n == 'dev')")), expected, "{argv}");
    }
    assert_eq!(of_argv("x get --new", &line("words == ['get']")), Doubt);
    assert_eq!(of_argv("x get --new", &line("args.exists(a, a == '--new')")), Yes);
    assert_eq!(holds("resource.region == ['eu']"), Doubt, "nothing tells it");
    assert_eq!(of_environment(&["REGION="], &line("resource.region == ['eu'] || true")), Doubt);
    assert_eq!(of_argv("x --region eu --region us", &line("resource.region == ['eu', 'us']")), Yes);

    let cut = Known { cut: true, ..known() };
    assert_eq!(holds_in(&line("parents.exists(p, p == '/usr/bin/make')"), &cut, |_| {}), Doubt);
    let unread = Known { parents: vec!["/usr/bin/make", ""], ..known() };
    assert_eq!(holds_in(&line("parents[0] == '/usr/bin/make'"), &unread, |_| {}), Doubt);
    assert_eq!(holds_in(&line("unit == ''"), &Known { unit: None, ..known() }, |_| {}), Yes, "in no unit");
    let beyond = |context: &mut Context<'_>| context.at = Some(crate::time::WallTime(u64::MAX));
    assert_eq!(holds_in(&line("at != ''"), &known(), beyond), Doubt);
}

#[test]
fn bytes_that_are_no_text_are_in_doubt_where_they_are_looked_at() {
    let bad = [Alleged::from("x"), Alleged(b"\xff".to_vec())];
    let parents = [ParentFacts { pid: 1, exe: Alleged(b"/\xff".to_vec()), command: Alleged::default() }];
    let variables = [b"A=\xff".to_vec(), b"B=b".to_vec()];
    let context = |context: &mut Context<'_>| {
        context.cwd = Some(b"/\xff");
        context.cgroup = Some(b"/\xff");
    };
    for expression in ["cwd != ''", "cgroup != ''"] {
        assert_eq!(holds_in(&line(expression), &known(), context), Doubt, "{expression}");
    }
    for (expression, expected) in [
        ("args != []", Action::Ask),
        ("words != []", Action::Ask),
        ("parents != []", Action::Ask),
        ("env.A != ''", Action::Ask),
        ("env.exists(n, n == 'B')", Action::Ask),
        ("env.B == 'b'", Action::Allow),
    ] {
        let context = Context {
            argv: Some(&bad),
            parents: Some(Parents { of: &parents, cut: false }),
            environment: Some(&variables),
            ..Context::default()
        };
        let policy = policy(&rule(expression).replace("'ask'", "'allow'"));
        assert_eq!(policy.decide(&exec(&[b"x"], &[]), &context).action, expected, "{expression}");
    }
    let named = policy("[[rule]]\nname = 'r'\nexec = ['/a/*']\naction = 'allow'\nwhen = 'program != \"\"'\n");
    for (path, expected) in [(&b"/a/b"[..], Action::Allow), (b"/a/\xff", Action::Ask)] {
        let decision = named.decide(&exec(&[], &[path]), &Context::default());
        assert_eq!(decision.action, expected);
    }
}

#[test]
fn what_does_not_exist_or_does_not_fit_is_an_error_at_its_place() {
    for (expression, message, marked) in [
        ("agnet == 'x'", "unknown name 'agnet'", "agnet"),
        ("tty && req.namspace == 'x'", "'namspace' is a field of nothing", "namspace"),
        ("args.exist(a, a == 'x')", "unknown function 'exist'", "exist"),
        ("program . startswith('x')", "unknown function 'startswith'", "startswith"),
        ("siz(args) > 1", "unknown function 'siz'", "siz"),
        ("timestamp(at) > 1", "unknown function 'timestamp'", "timestamp"),
        ("startsWith(program, 'x')", "'startsWith' is called in another way", "startsWith"),
        ("args.contains('x')", "'contains' is for strings, and this is a list", "contains"),
        ("args == 'x'", "a list of strings and a string never fit together", "=="),
        ("uid == '0'", "an integer and a string never fit together", "=="),
        ("flags['-n'] == 'x'", "a list of strings and a string never fit together", "=="),
        ("'x' in program", "a string cannot be in a string", "in"),
        ("1 in args", "an integer cannot be in a list of strings", "in"),
        ("program", "expected true or false, found a string", "program"),
        ("tty && uid", "expected true or false, found an integer", "uid"),
        ("args.exists(a, a)", "expected true or false, found a string", "a"),
        ("tty < true", "true or false has no order", "<"),
        ("args + args == args", "'+' is for integers and strings, not for a list of strings", "+"),
        ("program - 'x' == ''", "expected an integer, found a string", "program"),
        ("flags == flags", "'flags' as a whole", "flags"),
        ("resource.exists(r, true)", "'resource' as a whole", "resource"),
        ("env == env", "'env' is compared as a whole", "=="),
        ("flags.force", "an option stands in brackets", "force"),
        ("flags['force'] == ['x']", "'force' is no option's name: it begins with no '-'", "'force'"),
        ("flags[program] == ['x']", "the name has to be written out", "program"),
        ("program in flags", "the name of an option has to be written out", "program"),
        ("env['A=B'] == 'x'", "'A=B' is no variable's name", "'A=B'"),
        ("'region' in resource", "'in' says nothing of a resource", "in"),
        ("has(args)", "has() is for variables of 'env'", "("),
        ("has(resource.region)", "has() is for variables of 'env'", "("),
        ("program.matches(agent)", "the pattern of matches() has to be written out", "agent"),
        ("program.matches('(')", "this is no regular expression that can be used: unclosed group", "'('"),
        (
            "program.matches('((a{100}){100}){100}')",
            "this is no regular expression that can be used: it takes more than 256 KiB compiled",
            "'((a{100}){100}){100}'",
        ),
        ("args.exists(a, args.exists(b, a == b))", "a list is gone through for each element of another", "("),
        ("args.exists(a, a in args)", "a list is gone through for each element of another", "args"),
        ("args.exists(a, flags['-n'] == [a])", "a list is gone through for each element of another", "'-n'"),
        ("args.map(a, [a]) == []", "map() makes lists of single values, and this is a list of strings", "["),
        ("args.exists('a', true)", "exists() takes a name and what holds of it: exists(x, x == 'a')", "'a'"),
        ("args.exists(user, user == 'x')", "'user' is the name of something else", "user"),
        ("program.all(a, true)", "all() is for lists, and this is a string", "program"),
        ("[tty, 1] == []", "an integer is out of place in this list", "1"),
        ("1.5 > 1.0", "a value of a kind that no rule needs", "1.5"),
        ("uid == 1u", "a value of a kind that no rule needs", "1u"),
        ("agent == null", "a value of a kind that no rule needs", "null"),
        ("{'a': agent} == {}", "a value of a kind that no rule needs", "{"),
        ("true", "the expression looks at nothing: it would always be the same", "true"),
        (
            "1 == 1 || 'a' == 'b'",
            "the expression looks at nothing: it would always be the same",
            "1 == 1 || 'a' == 'b'",
        ),
        ("agent == 'ä' && agnet == 'x'", "unknown name 'agnet'", "agnet"),
        ("tty &&", "the expression cannot be read: mismatched input '<EOF>'", "\""),
        ("tty && )", "the expression cannot be read: mismatched input ')'", ")"),
        ("namespace == 'a'", "the expression cannot be read: reserved identifier: namespace", "n"),
        ("env.?A == ''", "the expression cannot be read: unsupported syntax '.?'", "."),
        ("99999999999999999999 == uid", "the expression cannot be read: invalid int literal", "9"),
        ("tty # no", "an expression has no '#' outside of a string", "#"),
        ("tty && ä", "an expression has no 'ä' outside of a string", "ä"),
        ("program == 'a", "a string has no end", "'"),
        ("program == b'a'", "a string stands right behind a name or a number", "'"),
    ] {
        let (told, place) = fault(expression);
        assert_eq!((told.as_str(), place.as_str()), (message, marked), "{expression}");
    }
    let shown = errors(
        "[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\nwhen = \"\"\"\n  agent == \\\"ä\\\" ||\n  agnet == 'x'\"\"\"\n",
    );
    let expected = "\
error: unknown name 'agnet'
  --> 10.toml:7:3
   |
 7 |   agnet == 'x'\"\"\"
   |   ^^^^^
   = did you mean 'agent'?";
    assert_eq!(shown[0].to_string(), expected);
    let hint = |expression: &str| errors(&rule(expression))[0].hint.clone().unwrap_or_default();
    assert_eq!(hint("args.exist(a, true)"), "did you mean 'exists'?");
    assert_eq!(hint("matches(program, 'a')"), "write x.matches('a')");
    assert_eq!(
        hint("something == 'a'"),
        format!("there are {}", VARIABLES.map(|(name, ..)| name).join(", "))
    );
    assert_eq!(hint("unheard(1)"), format!("there are {}", FUNCTIONS.join(", ")));
}

#[test]
fn options_and_resources_that_nobody_knows_are_told() {
    let command = "[[command]]\nexec = ['x']\nvalues = ['-n']\n";
    let told = warnings(&format!("{command}{}", rule("'-n' in flags || '--new' in flags")));
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("warning: the [[command]] of 'x' knows no option '--new'"), "{told:?}");
    let told = &errors(&rule("resource.region == ['eu']"))[0];
    assert_eq!((told.message.as_str(), told.line), ("nothing tells the resource 'region' of 'x'", 5));
}

#[test]
fn an_explanation_has_the_expression_and_what_it_looks_at() {
    let expression = "env.A == 'a\u{202e}' && args.exists(a, a == 'b') && uid > 0 && flags['-v'] != []";
    let text = rule(expression) + "[[command]]\nexec = ['x']\nflags = ['-v']\n";
    let policy = policy(&text);
    let explain = |argv: &[&str], environment: Option<&[Vec<u8>]>| {
        let argv: Vec<Alleged> = argv.iter().map(|argument| Alleged::from(*argument)).collect();
        let users = [account(7, "u")];
        let context = Context { argv: Some(&argv), environment, users: Some(&users), ..Context::default() };
        let explanation = policy.explain(&exec(&[b"x"], &[]), &context);
        let [looked] = explanation.rules[0].clauses.as_slice() else { panic!("{explanation:?}") };
        assert_eq!(looked.key, "when");
        assert_eq!(looked.wanted, expression.replace('\u{202e}', "\\u{202e}"));
        (looked.found.clone(), looked.holds)
    };
    let variables = [b"A=a\xe2\x80\xae".to_vec(), b"SECRET=s".to_vec()];
    let (found, truth) = explain(&["x", "b", "\u{7}", "-v"], Some(&variables));
    assert_eq!(
        (found.as_str(), truth),
        ("args [b $'\\x07' -v], flags {-v: ['']}, env {A: $'a\\xe2\\x80\\xae'}, uid 7", Yes)
    );
    let (found, truth) = explain(&["x", "b"], Some(&variables));
    assert_eq!(
        (found.as_str(), truth),
        ("there is no '-v', args [b], flags {}, env {A: $'a\\xe2\\x80\\xae'}, uid 7", Doubt)
    );
    let (found, truth) = explain(&["x", "b"], None);
    assert_eq!((found.as_str(), truth), ("env is not known, args [b], flags {}, uid 7", Doubt));
    let (found, _) = explain(&["x", &"b".repeat(5000)], Some(&variables));
    assert!(found.chars().count() <= 201 && found.contains("bbb…"), "{found}");
}

#[test]
fn the_pages_have_every_variable_and_function_and_no_other_variable() {
    const PAGE: &str = include_str!("../../../../docs/policy.md");
    const MANUAL: &str = include_str!("../../../../packaging/holdpoint-policy.5");
    let (_, section) = PAGE.split_once("### Expressions: `when`").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let documented: Vec<&str> = rows.map(|(name, _)| name).collect();
    assert_eq!(documented, VARIABLES.map(|(name, ..)| name));
    let words: BTreeSet<&str> = section.split(['`', '(', '.']).collect();
    for name in FUNCTIONS {
        assert!(words.contains(name), "{name} is not in the section");
    }
    let words: BTreeSet<&str> =
        MANUAL.lines().flat_map(|line| line.split([' ', ',', '"', '(', ')'])).collect();
    for name in VARIABLES.map(|(name, ..)| name).into_iter().chain(FUNCTIONS) {
        assert!(words.contains(name), "{name} of expressions is missing in holdpoint-policy.5");
    }
}
