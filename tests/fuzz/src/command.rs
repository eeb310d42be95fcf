//! Command lines as agents make them up, and what the shipped rules say of them.

use std::{fs, path::Path, sync::LazyLock};

use holdpoint_core::{
    alleged::Alleged,
    policy::{Action, Analysis, Context, Exec, Grammar, Options, Policy, SourceFile, Style, case, parse},
};

use super::text::is_plain;

/// All rules of `policies`, and the programs that they name.
static PACKS: LazyLock<(Policy, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packs =
        here.ancestors().map(|above| above.join("policies")).find(|packs| packs.join("kubernetes").is_dir());
    let inside =
        |directory: &Path| fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> =
        packs.iter().flat_map(|packs| inside(packs)).flat_map(|pack| inside(&pack)).collect();
    paths.sort();
    let read = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        let is_one = name.ends_with(".toml") && !name.ends_with(case::SUFFIX);
        is_one.then(|| SourceFile::from_bytes(name, fs::read(path).ok()?).ok()).flatten()
    };
    let files: Vec<SourceFile> = paths.iter().filter_map(|path| read(path)).collect();
    let policy = parse(&files).map_or_else(|_| Policy::default(), |(policy, _)| policy);
    assert!(policy.rules().len() > 100, "the packs lie in policies");
    let programs = policy.names().into_iter().collect();
    (policy, programs)
});

/// Whatever the arguments are, the explanation is the decision's, and not to know them, or the environment, allows nothing.
///
/// The first byte says which program it is; the rest are arguments, with a NUL between two. Those that have a `=` and do not
/// begin with a dash are the environment's, too.
pub fn command(bytes: &[u8]) {
    let [program, rest @ ..] = bytes else { return };
    let (policy, programs) = &*PACKS;
    let Some(program) = programs.get(usize::from(*program) % programs.len()) else { return };
    let mut argv = vec![Alleged(program.clone())];
    argv.extend(rest.split(|byte| *byte == 0).map(Alleged::from));
    let is_variable = |argument: &&Alleged| !argument.0.starts_with(b"-") && argument.0.contains(&b'=');
    let environment: Vec<Vec<u8>> =
        argv.iter().filter(is_variable).map(|argument| argument.0.clone()).collect();
    let context = Context { argv: Some(&argv), environment: Some(&environment), ..Context::default() };

    let exec = Exec { names: &[program], paths: &[] };
    let explanation = policy.explain(&exec, &context);
    let decision = policy.decide(&exec, &context);
    assert_eq!(explanation.decision, decision);
    is_plain(&decision.because);
    for looked in explanation.rules.iter().flat_map(|rule| &rule.clauses) {
        is_plain(&looked.found);
        is_plain(&looked.wanted);
    }
    for less in [Context { argv: None, ..context }, Context { environment: None, ..context }] {
        let allowed = policy.decide(&exec, &less).action == Action::Allow;
        assert!(!allowed || decision.action == Action::Allow, "what is not known allows");
    }
    apart(argv.get(1..).unwrap_or_default());
}

/// In every style: nothing is made up, and nothing is left out.
fn apart(arguments: &[Alleged]) {
    let is_one = |found: &[u8]| arguments.iter().any(|argument| argument.0 == found);
    let ends_one = |found: &[u8]| arguments.iter().any(|argument| argument.0.ends_with(found));
    for style in [Style::Gnu, Style::Pflag, Style::Go, Style::Argparse] {
        let takes_value =
            [("-n", true), ("--name", true), ("-name", true), ("-v", false), ("--verbose", false)]
                .map(own)
                .into();
        let aliases = [("-n".to_owned(), "--name".to_owned())].into();
        let after =
            [(b"get".to_vec(), Options { takes_value: [own(("-v", true))].into(), ..Options::default() })]
                .into();
        let base = Options { takes_value, aliases };
        let grammar = Grammar { style, base, after, ..Grammar::default() };
        let stops = Grammar { stops_at_word: true, ..grammar.clone() };
        for (grammar, posixly_correct) in [(&grammar, false), (&grammar, true), (&stops, false)] {
            let found = Analysis::new(grammar, arguments, posixly_correct);
            assert!(found.words.iter().all(|word| is_one(word)));
            assert!(found.options.iter().all(|seen| ends_one(seen.value)));
            let bytes: usize = arguments.iter().map(|argument| argument.0.len()).sum();
            assert!(found.words.len() <= arguments.len() && found.options.len() <= bytes);
            let sure = found.doubt.as_ref().map_or(0, |doubt| doubt.words);
            assert!(sure <= found.words.len() || sure == usize::MAX);
            found.doubt.iter().for_each(|doubt| is_plain(&doubt.why));
        }
    }
}

fn own((name, takes): (&str, bool)) -> (String, bool) {
    (name.to_owned(), takes)
}
