//! A policy as TOML is the same policy.

use super::{MIXED, file, parse, policy};

const ALL: &str = r#"
    [sets]
    production = ["prod", "prod-*"]
    all = ["@production", "live"]

    [[command]]
    exec = ["x", "y"]
    style = "go"
    values = ["--name", "-f"]
    flags = ["-quiet"]
    aliases = { "-n" = "--name" }

    [[command]]
    exec = "x"
    after = ["get", "q\"\\"]
    values = "--output"

    [[command]]
    exec = "sudo"
    stops_at_word = true
    more_options = true

    [[resource]]
    name = "region"
    exec = ["x", "aws"]
    flags = "--region"
    env = ["A", "B"]
    default = "eu"

    [[rule]]
    name = "all"
    description = "Quote \" backslash \\ direction \u202e letter ä."
    exec = ["x", "/usr/bin/*/x", "/usr/bin/x"]
    action = "ask"
    mode = "observe"
    timeout = "1h30m"
    valid_for = "1s"
    for = "10m"
    uses = 3
    wait = "hold"
    loader_variables = "refuse-all"
    risk = "critical"
    message = "Look."
    deny_message = "No."
    agents = "a*"
    users = ["root", "1000"]
    groups = ["@all"]
    hosts = ["tab\t\u007f", "[@]literal"]
    units = "*.service"
    cgroups = "/x"
    cwd = ["/a", "/b*"]
    parents = ["make", "/usr/*"]
    tty = true
    args = { any = "a", all = ["b", "c*"], none = "d", regex = "^\\d+$", count = { min = 1, max = 3 } }
    subcommand = ["get", "delete  n*", "@production"]
    hours = { days = ["mon-wed", "sun"], from = "22:30", to = "06:00", zone = "europe/berlin", outside = true }
    dates = [{ from = "2026-12-24", to = "2026-12-26" }, { from = "2027-01-01", to = "2027-01-01", zone = "Asia/Tokyo" }]
    owner = "other"
    when = '''user != "root" && // \
        args.exists(a, a.matches("^-\\d"))'''
    hash = ["AB0000000000000000000000000000000000000000000000000000000000cdef"]
    [rule.flags]
    "--name" = { in = ["@all"], not_in = "x", regex = "y", or_absent = true, alias = ["-n", "--nom"] }
    "--force" = { present = false }
    "--given" = { or_absent = false }
    [rule.env]
    "AWS_*" = "1"
    "with space" = { present = true }
    [rule.resource]
    region = { not_in = "eu-*" }
    [rule.unless]
    args = { count = 0 }
    env = { CI = { or_absent = true } }
    when = "\"ä\" in args"

    [[rule]]
    name = "rest"
    exec = ["x"]
    action = "deny"
    args = { count = { min = 2 } }
    dates = { from = "0001-01-01", to = "9999-12-31" }
"#;

#[test]
fn what_is_printed_is_read_as_the_same_policy() {
    for text in [ALL, MIXED, "", "[[command]]\nexec = 'a'\nafter = 'b'\n"] {
        let (printed_of, _) = parse(&[file("a.toml", text)]).unwrap_or_else(|errors| panic!("{}", errors[0]));
        let printed = printed_of.to_toml();
        let (again, _) =
            parse(&[file("b.toml", &printed)]).unwrap_or_else(|errors| panic!("{}\n{printed}", errors[0]));
        assert_eq!(again, printed_of, "{printed}");
        assert_eq!(again.to_toml(), printed);
    }
}

#[test]
fn what_is_printed_can_be_read_by_people() {
    let text = parse(&[file("a.toml", ALL)]).unwrap().0.to_toml();
    for line in [
        "description = \"Quote \\\" backslash \\\\ direction \\U0000202E letter ä.\"",
        "groups = [\"prod\", \"prod-*\", \"live\"]",
        "hosts = [\"tab\\U00000009\\U0000007F\", \"[@]literal\"]",
        "subcommand = [\"get\", \"delete n*\", \"prod\", \"prod-*\"]",
        "args = { any = [\"a\"], all = [\"b\", \"c*\"], none = [\"d\"], regex = \"^\\\\d+$\", count = { min = 1, max = 3 } }",
        "hours = { days = [\"mon\", \"tue\", \"wed\", \"sun\"], from = \"22:30\", to = \"06:00\", zone = \"Europe/Berlin\", outside = true }",
        "resource = { region = { not_in = [\"eu-*\"] } }",
        "values = [\"-f\", \"-name\"]",
        "timeout = \"1h30m\"",
        "[rule.unless]",
        "when = \"\\\"ä\\\" in args\"",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
    }
}

#[test]
fn policies_differ_where_what_they_say_does() {
    let rule = "[[rule]]\nname = 'r'\nexec = ['x']\naction = 'ask'\n";
    let command = "[[command]]\nexec = 'x'\nvalues = '-n'\n";
    assert_eq!(policy(&format!("# moved\n\n{rule}")), policy(rule));
    let others = [
        rule.replace("ask", "deny"),
        format!("{rule}mode = 'observe'\n"),
        rule.replace("'x'", "'y'"),
        format!("{rule}tty = true\n"),
        format!("{rule}when = 'tty'\n"),
        format!("{rule}{command}"),
        String::new(),
    ];
    for other in &others {
        assert_ne!(policy(other), policy(rule), "{other}");
    }
    let defaults = super::Defaults { wait: super::Wait::Refuse, ..super::Defaults::default() };
    assert_ne!(policy(rule).with_defaults(defaults), policy(rule));
}

#[test]
fn every_time_zone_is_read_by_the_name_under_which_it_is_printed() {
    let names: Vec<String> =
        jiff::tz::TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    assert!(names.len() > 500);
    for name in names.iter().map(String::as_str).chain(["UTC", "utc"]) {
        let Some(zone) = super::Zone::named(name).or_else(|| (name == "Etc/Unknown").then(super::Zone::utc))
        else {
            panic!("{name}")
        };
        assert_eq!(super::Zone::named(&zone.to_string()), Some(zone), "{name}");
    }
}
