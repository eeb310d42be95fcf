//! Files that were made to bring the reader down: each ends soon, most with an error.

use std::time::{Duration, Instant};

use super::{Context, exec, file, parse};

/// Where time goes with the square of the length it is minutes, and a busy machine is no error.
const SOON: Duration = Duration::from_secs(60);

/// The errors' messages. `what` it was is printed with the time.
fn errors(what: &str, texts: &[String]) -> Vec<String> {
    let files: Vec<_> =
        texts.iter().enumerate().map(|(index, text)| file(&format!("{index}.toml"), text)).collect();
    let begun = Instant::now();
    let told = match parse(&files) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.message).collect(),
    };
    let took = begun.elapsed();
    println!("{what}: {took:?}");
    assert!(took < SOON, "{what} took {took:?}");
    told
}

fn many(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect()
}

fn rule(name: &str, lines: &str) -> String {
    format!("[[rule]]\nname = '{name}'\nexec = ['x']\naction = 'ask'\n{lines}\n")
}

#[test]
fn what_is_nested_deeply_is_an_error_and_no_overflow_of_the_stack() {
    let deep = 1 << 17;
    for (what, text) in [
        ("arrays", format!("a = {}{}", "[".repeat(deep), "]".repeat(deep))),
        ("arrays in a rule", rule("r", &format!("hosts = {}{}", "[".repeat(deep), "]".repeat(deep)))),
        ("inline tables", format!("a = {}1{}", "{a=".repeat(deep), "}".repeat(deep))),
        ("tables in a clause", rule("r", &format!("flags = {}1{}", "{a=".repeat(deep), "}".repeat(deep)))),
        ("dotted keys", format!("{}a = 1", "a.".repeat(deep))),
        ("dotted keys in a rule", rule("r", &format!("{}a = 1", "env.".repeat(deep)))),
        ("a heading", format!("[{}a]", "a.".repeat(deep))),
        ("headings of tables", many(1000, |depth| format!("[a{}]\n", ".a".repeat(depth)))),
        ("exceptions", rule("r", &format!("[rule{}]\ntty = true", ".unless".repeat(deep)))),
    ] {
        assert!(text.len() <= super::MAX_FILE_BYTES, "{what}");
        assert!(!errors(what, &[text]).is_empty(), "{what}");
    }
}

#[test]
fn sets_that_name_each_other_are_spelt_out_soon() {
    let used = rule("r", "hosts = ['@s0']");
    let sets = |count: usize, of: &dyn Fn(usize) -> String| {
        format!("[sets]\n{}", many(count, |index| format!("s{index} = [{}]\n", of(index))))
    };
    let next = |index: usize| format!("'@s{}'", index + 1);
    let chain = sets(4000, &next) + "s4000 = ['x']\n" + &used;
    assert_eq!(errors("a chain of 4000 sets", std::slice::from_ref(&chain)), [""; 0]);
    let told = errors(
        "a chain of 4000 sets with a name each",
        &[sets(4000, &|index| format!("'v{index}', {}", next(index))) + "s4000 = ['x']\n" + &used],
    );
    assert_eq!(told, [""; 0]);

    // Each names the next twice: 2 to the 60th ways lead to the last.
    let twice = |index: usize| format!("{0}, {0}", next(index));
    let begins = sets(60, &twice);
    for (what, last) in [
        ("one value", "'x'"),
        ("nothing", ""),
        ("the first", "'@s0'"),
        ("a set that is not there", "'@none'"),
    ] {
        let told = errors(
            &format!("a fan of sets that ends in {what}"),
            &[format!("{begins}s60 = [{last}]\n{used}")],
        );
        let expected = match last {
            "'x'" => vec![],
            "" => vec!["'hosts' is empty: nothing could match"],
            "'@none'" => vec!["there is no set 'none'"],
            _ => vec![
                "the sets go in a circle: @s0 → @s1 → @s2 → @s3 → @s4 → @s5 → @s6 → @s7 → … 53 more → @s0",
            ],
        };
        // A set that leads to an error is not used in a policy, so what is said where it is used makes no difference.
        assert!(expected.iter().all(|message| told.iter().any(|told| told == message)), "{what}: {told:?}");
        assert_eq!(told.is_empty(), expected.is_empty(), "{what}: {told:?}");
    }
    let wide = |index: usize| format!("'v{index}-0', 'v{index}-1', {0}, {0}", next(index));
    let told = errors(
        "a fan of sets with more values than may be",
        &[sets(2100, &wide) + "s2100 = ['x']\n" + &used],
    );
    assert_eq!(told, ["'hosts' has more than 4096 values"]);

    let half = |from: usize| {
        format!(
            "[sets]\n{}",
            many(50_000, |index| format!("s{0} = '@s{1}'\n", from + index, (from + index + 1) % 100_000))
        )
    };
    let told = errors("100,000 sets in a circle", &[half(0), half(50_000)]);
    assert_eq!(told, ["there are more than 4096 sets"]);

    let unknown = format!("[sets]\na = [{}]\n{used}", many(60_000, |index| format!("'@u{index}',")));
    let told = errors("60,000 sets that are not there", &[unknown]);
    assert_eq!(told.len(), 65);
    let back = sets(4000, &next) + &format!("s4000 = [{}]\n", "'@s0',".repeat(60_000));
    assert_eq!(errors("60,000 ways back", &[back]).len(), 64);
    let many_values = format!("[sets]\ns0 = [{}]\n", "'x',".repeat(200_000))
        + &many(100, |index| rule(&format!("r{index}"), "hosts = '@s0'"));
    assert!(errors("a set of 200,000 values in 100 rules", &[many_values]).len() > 1);
}

#[test]
fn many_commands_resources_and_options_are_read_soon() {
    let resource = |index: usize| format!("[[resource]]\nname='r'\nexec='p{index}'\nenv='A'\n");
    assert_eq!(errors("18,000 resources of one name", &[many(18_000, resource)]), [""; 0]);
    let options = format!(
        "[[command]]\nexec = [{}]\nvalues = [{}]\n",
        many(5000, |index| format!("'p{index}',")),
        many(5000, |index| format!("'--o{index}',"))
    );
    let told = errors("5000 options of 5000 programs", &[options]);
    assert_eq!(told, ["there are more than 262144 options of all programs together"]);
    let rules = many(500, |index| {
        rule(&format!("r{index}"), "flags = { '--o' = 'x' }")
            .replace("['x']", &format!("[{}]", many(80, |program| format!("'p{program}',"))))
    });
    let command = format!(
        "[[command]]\nexec = [{}]\nvalues = ['--o', {}]\n",
        many(80, |index| format!("'p{index}',")),
        many(1000, |index| format!("'--o{index}',"))
    );
    assert_eq!(errors("80 programs with 1000 options in 500 rules", &[command + &rules]), [""; 0]);
    let words = rule("r", &format!("subcommand = ['{}']", "a ".repeat(400_000)));
    assert_eq!(errors("a subcommand of 400,000 words", &[words]), [""; 0]);
}

#[test]
fn ten_thousand_rules_are_loaded_soon() {
    let lines = |index: usize| {
        format!(
            "subcommand = ['get', 'a{index}']\nflags = {{ '--n' = {{ not_in = ['prod-*'], or_absent = true }} }}\nhours = {{ days = 'mon-fri', zone = 'Europe/Berlin' }}"
        )
    };
    let of = |program: &dyn Fn(usize) -> usize| -> Vec<String> {
        let rules = |from: usize| {
            many(2500, |index| {
                let (index, name) = (from + index, format!("r{}", from + index));
                rule(&name, &lines(index)).replace("'x'", &format!("'p{}'", program(index)))
            })
        };
        (0..4).map(|file| rules(file * 2500)).collect()
    };
    assert_eq!(errors("10,000 rules about 1000 programs", &of(&|index| index / 10)), [""; 0]);
    assert_eq!(errors("10,000 rules about one program", &of(&|_| 0)), [""; 0]);
    let expressions = many(500, |index| rule(&format!("w{index}"), &format!("when = 'uid == {index}'")));
    assert_eq!(errors("500 rules with an expression", &[expressions]), [""; 0]);
    let same = many(16_000, |index| format!("[[rule]]\nname='r{index}'\nexec=['x']\naction='deny'\n"));
    assert_eq!(errors("16,000 rules that say the same", &[same]), [""; 0]);
}

#[test]
fn arguments_and_variables_by_the_thousand_are_looked_at_soon() {
    let text = "[[command]]\nexec = 'x'\nstyle = 'pflag'\nvalues = ['-n', '--name']\nflags = ['-A', '-B']\naliases = { '-n' = '--name' }\n".to_owned()
        + &many(3, |index| rule(&format!("r{index}"), &format!("subcommand = 'w{index}'\nflags = {{ '--name' = 'x' }}\nenv = {{ 'A*' = 'x' }}")));
    let policy = super::policy(&text);
    for arguments in ["--unknown", "--unknown=1", "-n", "-AB", "-ABx", "word", "--name=x", "", "-"] {
        let argv: Vec<crate::alleged::Alleged> = vec![arguments.into(); 8192];
        let long = [crate::alleged::Alleged::from("x"), arguments.repeat(8192).as_str().into()];
        let environment = vec![b"A=x".to_vec(); 8192];
        for argv in [argv.as_slice(), &long] {
            let context = Context { argv: Some(argv), environment: Some(&environment), ..Context::default() };
            let begun = Instant::now();
            let exec = exec(&[b"x"], &[]);
            assert_eq!(policy.explain(&exec, &context).decision, policy.decide(&exec, &context));
            println!("{} of '{arguments}': {:?}", argv.len(), begun.elapsed());
            assert!(begun.elapsed() < SOON, "{arguments}");
        }
    }
}
