use super::*;
use crate::alleged::Alleged;

fn grammar(style: Style, values: &[&str], flags: &[&str]) -> Grammar {
    let with = |names: &[&str], takes: bool| -> Vec<(String, bool)> {
        names.iter().map(|name| ((*name).to_owned(), takes)).collect()
    };
    let takes_value = with(values, true).into_iter().chain(with(flags, false)).collect();
    Grammar { style, base: Options { takes_value, ..Options::default() }, ..Grammar::default() }
}

fn kubectl() -> Grammar {
    let mut grammar =
        grammar(Style::Pflag, &["-n", "--namespace", "--context"], &["-A", "--all-namespaces", "--force"]);
    grammar.base.aliases.insert("-n".into(), "--namespace".into());
    let after = Options { takes_value: [("-f".into(), true)].into(), ..Options::default() };
    grammar.after.insert(b"apply".to_vec(), after);
    let after = Options { takes_value: [("-f".into(), false)].into(), ..Options::default() };
    grammar.after.insert(b"logs".to_vec(), after);
    grammar
}

/// `words | options | sure words`, where not all are.
fn shown(grammar: &Grammar, line: &[&str]) -> String {
    let arguments: Vec<Alleged> = line.iter().map(|word| Alleged::from(*word)).collect();
    let found = Analysis::new(grammar, &arguments, false);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words: Vec<String> = found.words.iter().map(|word| text(word)).collect();
    let options: Vec<String> = found
        .options
        .iter()
        .map(|seen| format!("{}={}", grammar.canonical(&seen.name, found.verb()), text(seen.value)))
        .collect();
    let doubt = found
        .doubt
        .map(|doubt| match doubt.words {
            usize::MAX => " | all".to_owned(),
            words => format!(" | {words}"),
        })
        .unwrap_or_default();
    format!("{} | {}{doubt}", words.join(","), options.join(","))
}

#[test]
fn the_value_of_an_option_is_no_word_wherever_it_stands() {
    let grammar = kubectl();
    for (line, expected) in [
        (&["get", "pods"][..], "get,pods | "),
        (&["-n", "get", "delete", "pod"], "delete,pod | --namespace=get"),
        (&["--namespace", "get", "delete"], "delete | --namespace=get"),
        (&["--namespace=get", "delete"], "delete | --namespace=get"),
        (&["-nget", "delete"], "delete | --namespace=get"),
        (&["-n=get", "delete"], "delete | --namespace=get"),
        (&["get", "-An", "x", "delete"], "get,delete | -A=,--namespace=x"),
        (&["get", "-A", "pods"], "get,pods | -A="),
        (&["get", "--force=false"], "get | --force=false"),
        (&["-n", "a", "get", "-n", "b"], "get | --namespace=a,--namespace=b"),
        (&["apply", "-f", "delete"], "apply | -f=delete"),
        (&["logs", "-f", "pod"], "logs,pod | -f="),
        (&["exec", "pod", "--", "-n", "x"], "exec,pod,-n,x | "),
        (&[], " | "),
    ] {
        assert_eq!(shown(&grammar, line), expected, "{line:?}");
    }
}

#[test]
fn what_cannot_be_told_is_in_doubt_from_there_on() {
    let grammar = kubectl();
    for (line, expected) in [
        // It could take the next argument.
        (&["--unknown", "get", "pods"][..], "get,pods | --unknown= | 0"),
        (&["get", "--unknown", "pods"], "get,pods | --unknown= | 1"),
        (&["-x", "get"], "get | -x= | 0"),
        (&["-Ax", "get"], "get | -A=,-x= | 0"),
        // Its value is its own.
        (&["--unknown=1", "get"], "get | --unknown=1 | all"),
        (&["--unknown=1", "get", "-x"], "get | --unknown=1,-x= | 1"),
        // Nothing is abbreviated.
        (&["--namesp", "get"], "get | --namesp= | 0"),
        (&["get", "-n"], "get | --namespace= | 1"),
        (&["--", "get"], "get |  | 0"),
        // kubectl runs `get` here: it looks for the verb before it takes anything apart.
        (&["-An", "get", "delete"], "delete | -A=,--namespace=get | 0"),
        (&["", "delete"], ",delete |  | 0"),
        (&["-", "x"], "-,x |  | 0"),
        (&["x", ""], "x, |  | 1"),
        (&["x", "-"], "x,- | "),
        (&["-f", "get"], "get | -f= | 0"),
        (&["-é", "get"], "get |  | 0"),
    ] {
        assert_eq!(shown(&grammar, line), expected, "{line:?}");
    }
}

#[test]
fn each_style_reads_as_its_programs_do() {
    let gnu = grammar(Style::Gnu, &["--namespace", "--name", "-n"], &["--verbose", "-v"]);
    assert_eq!(shown(&gnu, &["--verb", "x"]), "x | --verb= | 0", "which one that is, the program knows");
    assert_eq!(shown(&gnu, &["--name", "x", "y"]), "y | --name=x");
    assert_eq!(shown(&gnu, &["-n=x"]), " | -n==x");
    let argparse = grammar(Style::Argparse, &["--profile", "-n"], &[]);
    assert_eq!(shown(&argparse, &["--profile", "x", "-n=y"]), " | --profile=x,-n=y");
    let go = grammar(Style::Go, &["-chdir"], &["-json"]);
    for line in [&["-chdir=a", "plan", "-json"][..], &["--chdir", "a", "plan", "--json"]] {
        assert_eq!(shown(&go, line), "plan | -chdir=a,-json=", "{line:?}");
    }
    assert_eq!(shown(&go, &["-cj", "plan"]), "plan | -cj= | 0");
    assert_eq!(shown(&go, &["state", "rm", "x", "-json"]), "state,rm,x | -json= | 3", "its options end at x");
    let sudo = Grammar { stops_at_word: true, ..grammar(Style::Gnu, &["-u"], &["-n"]) };
    assert_eq!(shown(&sudo, &["-nu", "bob", "env", "-u", "x", "--y"]), "env,-u,x,--y | -n=,-u=bob");
}
