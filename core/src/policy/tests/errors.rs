//! Each error of the rule language, with its place.

use super::{errors, parse, policy, warnings};

/// `line:column message` of each error.
fn told(text: &str) -> Vec<String> {
    let told =
        |error: &crate::diagnostic::Diagnostic| format!("{}:{} {}", error.line, error.column, error.message);
    errors(text).iter().map(told).collect()
}

/// The same of a rule with these lines, the first of which is the fifth.
fn of_rule(lines: &str) -> Vec<String> {
    told(&format!("[[rule]]\nname = \"r\"\nexec = [\"x\"]\naction = \"ask\"\n{lines}\n"))
}

fn hint(text: &str) -> String {
    errors(text).swap_remove(0).hint.unwrap()
}

#[test]
fn arrays_of_globs_that_cannot_be_meant_are_errors() {
    for (lines, message) in [
        ("agents = []", "5:1 'agents' is empty: nothing could match"),
        (
            "users = ['a', '[b']",
            "5:15 '[b' is no glob that can be used: unclosed character class; missing ']'",
        ),
        ("groups = 1", "5:10 'groups' has the wrong type: expected an array of strings, found an integer"),
        (
            "hosts = ['a', 1]",
            "5:15 'hosts' has the wrong type: expected an array of strings, found an integer",
        ),
        ("units = { a = 1 }", "5:9 'units' has the wrong type: expected an array of strings, found a table"),
        (
            "cgroups = ['{a']",
            "5:12 '{a' is no glob that can be used: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
        ),
        ("cwd = ['a\\']", "5:8 'a\\\\' is no glob that can be used: dangling '\\\\'"),
        ("tty = 'yes'", "5:7 'tty' has the wrong type: expected true or false, found a string"),
        ("owner = 'me'", "5:9 'owner' is 'me', expected one of \"root\", \"other\""),
        ("parents = []", "5:1 'parents' names no program"),
        ("parents = ['make*']", "5:12 'make*' has a wildcard, but the kernel looks names up as they are"),
        (
            "parents = ['/usr/[']",
            "5:12 '/usr/[' is no glob that can be used: unclosed character class; missing ']'",
        ),
        ("hash = []", "5:1 'hash' names no content"),
        ("hash = ['abc']", "5:9 'abc' is no SHA-256"),
        ("subcommand = []", "5:1 'subcommand' is empty: nothing could match"),
        ("subcommand = ''", "5:14 an empty subcommand would be any"),
        ("subcommand = ['get', '  ']", "5:22 an empty subcommand would be any"),
        (
            "subcommand = 'get [a'",
            "5:14 '[a' is no glob that can be used: unclosed character class; missing ']'",
        ),
    ] {
        assert_eq!(of_rule(lines), [message], "{lines}");
    }
    let hash = |digit: char| format!("hash = ['{}']", digit.to_string().repeat(64));
    assert_eq!(of_rule(&hash('g')).len(), 1);
    policy(&format!("[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\n{}\n", hash('F')));
    let long = of_rule(&format!("agents = ['{}']", "x".repeat(513)));
    assert!(
        long[0].ends_with("' is no glob that can be used: it has 513 bytes, 512 is the limit"),
        "{long:?}"
    );
    let many = format!("agents = [{}]", "'x',".repeat(4097));
    assert_eq!(of_rule(&many), ["5:1 'agents' has more than 4096 values"]);
}

#[test]
fn regular_expressions_and_globs_that_explode_are_errors() {
    for (lines, message) in [
        ("args = { regex = '(' }", "5:18 'regex' is no regular expression that can be used: unclosed group"),
        (
            "args = { regex = '(?=a)' }",
            "5:18 'regex' is no regular expression that can be used: look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            "args = { regex = '((a{100}){100}){100}' }",
            "5:18 'regex' is no regular expression that can be used: it takes more than 256 KiB compiled",
        ),
        (
            "env = { A = { regex = '\\p{L}{1000}' } }",
            "5:23 'regex' is no regular expression that can be used: it takes more than 256 KiB compiled",
        ),
    ] {
        assert_eq!(of_rule(lines), [message], "{lines}");
    }
    let globs: String = (0..4000).map(|index| format!("'{index}{}',", "{a,b}*".repeat(20))).collect();
    let told = of_rule(&format!("hosts = [{globs}]"));
    assert_eq!(told.len(), 1);
    assert!(
        told[0]
            .ends_with("' is no glob that can be used: with the others, it takes more than 256 KiB compiled"),
        "{told:?}"
    );
}

#[test]
fn tests_of_values_that_say_nothing_or_contradict_themselves_are_errors() {
    for (lines, message) in [
        ("flags = { n = 'x' }", "5:11 'n' is no option's name"),
        ("flags = { '-' = 'x' }", "5:11 '-' is no option's name"),
        ("flags = { '--' = 'x' }", "5:11 '--' is no option's name"),
        ("flags = { '--a=b' = 'x' }", "5:11 '--a=b' is no option's name"),
        ("flags = { '--a b' = 'x' }", "5:11 '--a b' is no option's name"),
        ("flags = { '--n' = [] }", "5:11 '--n' is empty: nothing could match"),
        ("flags = { '--n' = {} }", "5:11 '--n' is tested for nothing"),
        ("flags = { '--n' = { alias = '-n' } }", "5:11 '--n' is tested for nothing"),
        ("flags = { '--n' = { in = 'x', alias = 'n' } }", "5:39 'n' is no option's name"),
        ("flags = { '--n' = { in = [] } }", "5:21 'in' is empty: nothing could match"),
        ("flags = { '--n' = { is = 'x' } }", "5:11 '--n' is tested for nothing"),
        ("flags = { '--n' = { is = 'x', in = 'y' } }", "5:21 unknown key 'is'"),
        (
            "flags = { '--n' = { present = true, or_absent = true } }",
            "5:37 'or_absent' and 'present' contradict each other",
        ),
        (
            "flags = { '--n' = { present = false, or_absent = true } }",
            "5:38 'or_absent' and 'present' contradict each other",
        ),
        (
            "flags = { '--n' = { present = false, in = 'x' } }",
            "5:21 what is not there has no value to test: leave out 'present', or the other keys",
        ),
        (
            "flags = { '--n' = { present = false, regex = 'x' } }",
            "5:21 what is not there has no value to test: leave out 'present', or the other keys",
        ),
        (
            "flags = 'x'",
            "5:9 'flags' has the wrong type: expected a table, such as { NAME = \"value\" }, found a string",
        ),
        ("env = { A = { alias = 'B', in = 'x' } }", "5:15 unknown key 'alias'"),
        ("env = { '' = 'x' }", "5:9 '' is no variable's name"),
        ("env = { 'A=B' = 'x' }", "5:9 'A=B' is no variable's name"),
        (
            "env = { 'A[' = 'x' }",
            "5:9 'A[' is no glob that can be used: unclosed character class; missing ']'",
        ),
        ("resource = { r = 'x' }", "5:1 nothing tells the resource 'r' of 'x'"),
        ("args = {}", "5:1 'args' asks for nothing"),
        ("args = { any = [] }", "5:10 'any' is empty: nothing could match"),
        (
            "args = { all = ['['] }",
            "5:17 '[' is no glob that can be used: unclosed character class; missing ']'",
        ),
        ("args = { count = -1 }", "5:18 'count' has to be from 0 to 2147483647"),
        ("args = { count = { min = 2, max = 1 } }", "5:10 'max' is less than 'min': no number is meant"),
        ("args = { count = { least = 2 } }", "5:20 unknown key 'least'"),
        (
            "args = ['x']",
            "5:8 'args' has the wrong type: expected a table, begun by `[args]`, found an array",
        ),
    ] {
        assert_eq!(of_rule(lines).first().map(String::as_str), Some(message), "{lines}");
    }
    assert_eq!(of_rule("args = { all = [] }"), ["5:10 'all' is empty: it would hold always"]);
}

#[test]
fn times_and_dates_that_there_are_not_are_errors() {
    for (lines, message) in [
        ("hours = { from = '9:00' }", "5:18 '9:00' is no time of day"),
        ("hours = { from = '09:60' }", "5:18 '09:60' is no time of day"),
        ("hours = { to = '24:01' }", "5:16 '24:01' is no time of day"),
        ("hours = { to = '+1:00' }", "5:16 '+1:00' is no time of day"),
        ("hours = { from = 9 }", "5:18 'from' has the wrong type: expected a string, found an integer"),
        (
            "hours = { from = '09:00', to = '09:00' }",
            "5:27 'from' and 'to' are the same: no time is meant, or any",
        ),
        ("hours = { days = [] }", "5:11 'days' is empty: no time is meant"),
        ("hours = { days = ['mon-fry'] }", "5:19 'mon-fry' is no day of the week"),
        ("hours = { days = 'Mon' }", "5:18 'Mon' is no day of the week"),
        ("hours = { zone = 'Europe/Atlantis' }", "5:18 there is no time zone 'Europe/Atlantis'"),
        ("hours = { zone = '' }", "5:18 there is no time zone ''"),
        ("hours = { zone = 'Etc/Unknown' }", "5:18 there is no time zone 'Etc/Unknown'"),
        (
            "hours = { outside = 1 }",
            "5:21 'outside' has the wrong type: expected true or false, found an integer",
        ),
        ("dates = []", "5:1 'dates' names no day"),
        ("dates = { from = '2026-12-24' }", "5:9 'dates' has no 'to': write for example to = \"2026-12-24\""),
        ("dates = { from = '2026-02-30', to = '2026-03-01' }", "5:18 '2026-02-30' is no date"),
        ("dates = { from = '24.12.2026', to = '2026-12-26' }", "5:18 '24.12.2026' is no date"),
        ("dates = { from = '2026-12-24T12', to = '2026-12-26' }", "5:18 '2026-12-24T12' is no date"),
        (
            "dates = { from = '2026-12-26', to = '2026-12-24' }",
            "5:32 'dates' ends on 2026-12-24, before it begins on 2026-12-26",
        ),
        (
            "dates = [{ from = '2026-12-24', to = '2026-12-26', zone = 'x' }]",
            "5:59 there is no time zone 'x'",
        ),
        (
            "dates = '2026-12-24'",
            "5:9 'dates' has the wrong type: expected a table, begun by `[dates]`, found a string",
        ),
    ] {
        assert_eq!(of_rule(lines), [message], "{lines}");
    }
}

#[test]
fn an_exception_needs_clauses_and_has_none_of_its_own() {
    assert_eq!(
        of_rule("[rule.unless]"),
        ["5:7 'unless' is empty: it would hold always, and the rule would never apply"]
    );
    assert_eq!(of_rule("[rule.unless]\ntty = true\naction = 'deny'"), ["7:1 unknown key 'action'"]);
    assert_eq!(
        of_rule("[rule.unless]\ntty = true\n[rule.unless.unless]\ntty = true"),
        ["7:14 unknown key 'unless'"]
    );
    assert_eq!(
        of_rule("unless = true"),
        ["5:10 'unless' has the wrong type: expected a table, begun by `[unless]`, found a boolean"]
    );
}

#[test]
fn risks_and_messages_have_their_words_and_limits() {
    for (lines, message) in [
        (
            "risk = 'huge'",
            "5:8 'risk' is 'huge', expected one of \"low\", \"medium\", \"high\", \"critical\"",
        ),
        ("message = \"a\\nb\"", "5:11 the message has a line break or control character"),
        ("deny_message = \"\\u001b\"", "5:16 the deny message has a line break or control character"),
    ] {
        assert_eq!(of_rule(lines), [message], "{lines}");
    }
    let long = of_rule(&format!("message = '{}'", "m".repeat(1025)));
    assert_eq!(long, ["5:11 the message has 1025 bytes, 1024 is the limit"]);
    let rule = |action: &str, line: &str| {
        warnings(&format!("[[rule]]\nname = 'r'\nexec = ['x']\naction = '{action}'\n{line}\n"))
    };
    assert!(
        rule("allow", "risk = 'low'")[0]
            .starts_with("warning: 'risk' has no effect in a rule with the action 'allow'")
    );
    assert!(
        rule("ask", "deny_message = 'x'")[0]
            .starts_with("warning: 'deny_message' has no effect in a rule that does not deny")
    );
    assert!(rule("deny", "deny_message = 'x'").is_empty());
}

#[test]
fn sets_that_lead_nowhere_or_in_a_circle_are_errors() {
    let circle = "[sets]\na = ['x', '@b']\nb = ['@c']\nc = ['@a']\nalone = '@alone'\n";
    assert_eq!(
        told(circle),
        ["4:6 the sets go in a circle: @a → @b → @c → @a", "5:9 the sets go in a circle: @alone → @alone"]
    );
    // Told once, and not where such a set is used.
    let used = format!("{circle}[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\nhosts = '@a'\n");
    assert_eq!(told(&used).len(), 2);
    let long: String = (0..20).map(|index| format!("s{index} = '@s{}'\n", (index + 1) % 20)).collect();
    let expected =
        "21:7 the sets go in a circle: @s0 → @s1 → @s2 → @s3 → @s4 → @s5 → @s6 → @s7 → … 12 more → @s0";
    assert_eq!(told(&format!("[sets]\n{long}")), [expected]);

    let unknown = "[sets]\nproduction = ['prod']\nall = ['@prodution', 'x']\n";
    assert_eq!(told(unknown), ["3:8 there is no set 'prodution'"]);
    assert_eq!(hint(unknown), "did you mean '@production'?");
    let unknown = "[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\nhosts = ['a', '@production']\n";
    assert_eq!(told(unknown), ["5:15 there is no set 'production'"]);
    assert_eq!(hint(unknown), "define it below [sets]; a literal '@' at the beginning is written '[@]'");
    policy(&unknown.replace("'@production'", "'[@]production', '@*'"));

    let twice = [super::file("a.toml", "[sets]\na = 'x'\n"), super::file("b.toml", "\n[sets]\na = 'y'\n")];
    let error = &parse(&twice).unwrap_err()[0];
    assert_eq!(error.message, "two sets have the name 'a': the first is at a.toml:2:1");
    assert_eq!((error.file.as_str(), error.line), ("b.toml", 3));
    assert_eq!(
        told("[sets]\na = 1\n"),
        ["2:5 'a' has the wrong type: expected an array of strings, found an integer"]
    );
    assert_eq!(
        told("[sets]\na = []\n[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\nhosts = '@a'\n"),
        ["7:1 'hosts' is empty: nothing could match"]
    );
}

#[test]
fn what_a_command_takes_is_said_once_and_in_full() {
    let command = |lines: &str| told(&format!("[[command]]\nexec = ['x']\n{lines}\n"));
    for (lines, message) in [
        ("style = 'gnut'", "3:9 'style' is 'gnut', expected one of \"gnu\", \"pflag\", \"go\", \"argparse\""),
        ("values = ['n']", "3:11 'n' is no option's name"),
        ("values = ['--n=']", "3:11 '--n=' is no option's name"),
        ("values = ['-name']", "3:11 '-name' cannot be an option's name"),
        ("values = ['--n', '--n']", "3:18 the option '--n' is listed twice"),
        ("values = ['--n']\nflags = ['--n']", "4:10 the option '--n' is listed twice"),
        ("style = 'go'\nvalues = ['-n', '--n']", "4:17 the option '--n' is listed twice"),
        ("aliases = { '-n' = 'name' }", "3:20 'name' is no option's name"),
        ("aliases = { n = '--name' }", "3:13 'n' is no option's name"),
        ("aliases = { '-n' = '--n', '--n' = '--name' }", "3:13 '-n' means '--n', which means another"),
        ("after = []", "3:1 'after' is empty: the options would never be valid"),
        ("after = ['get']\nstyle = 'go'", "4:1 'style' holds for the whole program"),
        ("after = ['get']\nstops_at_word = true", "4:1 'stops_at_word' holds for the whole program"),
        ("after = ['get']\nmore_options = true", "4:1 'more_options' holds for the whole program"),
        ("option = ['-n']", "3:1 unknown key 'option'"),
    ] {
        assert_eq!(command(lines), [message], "{lines}");
    }
    for (text, message) in [
        ("[[command]]\n", "1:1 a [[command]] has no 'exec': name the programs"),
        ("[[command]]\nexec = []\n", "2:1 'exec' is empty: a [[command]] is about no program"),
        (
            "[[command]]\nexec = ['/bin/x']\n",
            "2:9 a [[command]] goes by the name of a program, not by a path",
        ),
        (
            "[[command]]\nexec = ['x*']\n",
            "2:9 'x*' has a wildcard, but the kernel looks names up as they are",
        ),
        (
            "[[command]]\nexec = ['x']\n[[command]]\nexec = ['y', 'x']\n",
            "4:14 the options of 'x' are already said at 10.toml:2:9",
        ),
        (
            "[[command]]\nexec = 'x'\nafter = 'a'\n[[command]]\nexec = 'x'\nafter = ['b', 'a']\n",
            "5:8 the options of 'x' after 'a' are already said at 10.toml:2:8",
        ),
    ] {
        assert_eq!(told(text), [message], "{text}");
    }
    let files = [
        super::file("a.toml", "[[command]]\nexec = 'x'\n"),
        super::file("b.toml", "[[command]]\nexec = 'x'\n"),
    ];
    assert_eq!(parse(&files).unwrap_err()[0].message, "the options of 'x' are already said at a.toml:2:8");
    policy(
        "[[command]]\nexec = 'x'\n[[command]]\nexec = 'x'\nafter = 'a'\n[[command]]\nexec = ['x', 'y']\nafter = 'b'\n",
    );
}

#[test]
fn what_tells_a_resource_is_said_once_and_can_be_found() {
    let resource = |lines: &str| told(&format!("[[resource]]\nname = 'r'\nexec = ['x']\n{lines}\n"));
    for (lines, message) in [
        ("", "2:8 nothing tells the resource 'r'"),
        ("flags = ['region']", "4:10 'region' is no option's name"),
        ("env = ['']", "4:8 '' is no variable's name"),
        ("env = ['AWS_*']", "4:8 'AWS_*' is no variable's name"),
        ("env = 'A'\nvalue = 'x'", "5:1 unknown key 'value'"),
        ("env = 'A'\ndefault = 1", "5:11 'default' has the wrong type: expected a string, found an integer"),
        (
            "env = 'A'\n[[resource]]\nname = 'r'\nexec = ['y', 'x']\nenv = 'B'",
            "7:14 what tells 'r' of 'x' is already said",
        ),
    ] {
        assert_eq!(resource(lines).first().map(String::as_str), Some(message), "{lines}");
    }
    assert_eq!(told("[[resource]]\nexec = 'x'\nenv = 'A'\n"), ["1:1 a [[resource]] has no 'name'"]);
    assert_eq!(
        told("[[resource]]\nname = 'r'\nenv = 'A'\n"),
        ["1:1 a [[resource]] has no 'exec': name the programs"]
    );
    let rule = "[[rule]]\nname = 'a'\nexec = ['x', '/opt/*/y']\naction = 'ask'\nresource = { r = 'z' }\n";
    let of = |programs: &str| format!("{rule}[[resource]]\nname = 'r'\nexec = [{programs}]\nenv = 'A'\n");
    assert_eq!(told(&of("'x'")), ["5:1 nothing tells the resource 'r' of 'y'"]);
    policy(&of("'x', 'y'"));
}

#[test]
fn an_option_that_the_command_does_not_know_is_a_warning() {
    let rule = |flag: &str| {
        format!(
            "[[command]]\nexec = 'x'\nvalues = ['--name']\naliases = {{ '-n' = '--name' }}\n\
             [[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\nflags = {{ '{flag}' = 'v' }}\n"
        )
    };
    policy(&rule("--name"));
    policy(&rule("-n"));
    let told = warnings(&rule("--nam"));
    assert_eq!(told[0].lines().next(), Some("warning: the [[command]] of 'x' knows no option '--nam'"));
}
