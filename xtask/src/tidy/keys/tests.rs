//! The pages of this tree, and what each change of them is told by.

use super::*;

fn texts() -> Texts {
    Texts {
        page: include_str!("../../../../docs/policy.md").to_owned(),
        manual: include_str!("../../../../packaging/holdpoint-policy.5").to_owned(),
        rules: include_str!("../../../../policies/schema/rules.schema.json").to_owned(),
        cases: include_str!("../../../../policies/schema/cases.schema.json").to_owned(),
    }
}

/// What is said once one text has another in its place.
fn told(change: impl Fn(&mut Texts) -> &mut String, from: &str, to: &str) -> String {
    let mut texts = texts();
    let text = change(&mut texts);
    assert!(text.contains(from), "{from}");
    *text = text.replacen(from, to, 1);
    check(&texts).join("\n")
}

#[test]
fn the_pages_of_this_tree_have_every_key_and_no_other() {
    assert_eq!(check(&texts()), Vec::<String>::new());
    let rules: Value = serde_json::from_str(&texts().rules).unwrap();
    let cases: Value = serde_json::from_str(&texts().cases).unwrap();
    assert!(tables(&rules, &cases).iter().all(|keys| keys.len() > 1));
}

#[test]
fn a_key_that_a_page_lacks_is_told_and_one_that_is_none_too() {
    let page = |from: &str, to: &str| told(|texts| &mut texts.page, from, to);
    let said = page("| `valid_for` | duration |", "| `valid_four` | duration |");
    assert!(said.contains("the table of [[rule]] does not have 'valid_for'"), "{said}");
    assert!(said.contains("the table of [[rule]] has 'valid_four', which is no key"), "{said}");
    let said = page("| `min` | integer |", "| `max` | integer |");
    assert!(
        said.contains("'max' is in a table twice") && said.contains("of count does not have 'min'"),
        "{said}"
    );
    let said = page("| `tty` | boolean | either |", "| `tty` | boolean | |");
    assert!(said.contains("'tty' has not type, default, example and meaning"), "{said}");
    assert!(page(HEAD, "| key | meaning |").contains("10 tables of keys, expected 11"));
}

#[test]
fn the_manual_page_has_each_key_in_its_section_and_no_other() {
    let manual = |from: &str, to: &str| told(|texts| &mut texts.manual, from, to);
    let said = manual(".B valid_for\n", ".B valid_four\n");
    assert!(said.contains("'.SH RULES' does not have 'valid_for'"), "{said}");
    assert!(said.contains("'.SH RULES' has 'valid_four', which is no key"), "{said}");
    let said = manual(".B min\n", ".B least\n");
    assert!(said.contains("'.SH CLAUSES' does not have 'min'") && said.contains("has 'least'"), "{said}");
    let said = manual(".B more_options\n", "");
    assert!(said.contains("'.SH COMMANDS' does not have 'more_options'"), "{said}");
    let said = manual(".B [[command]]\n", "");
    assert!(said.contains("'.SH DESCRIPTION' does not have 'command'"), "{said}");
}

#[test]
fn a_new_key_of_the_parser_is_missed_wherever_it_comes() {
    let rules = |from: &str, to: &str| told(|texts| &mut texts.rules, from, to);
    let said = rules("\"valid_for\": {", "\"quorum\": {}, \"valid_for\": {");
    assert!(said.contains("docs/policy.md: the table of [[rule]] does not have 'quorum'"), "{said}");
    assert!(said.contains("holdpoint-policy.5: '.SH RULES' does not have 'quorum'"), "{said}");
    let said = rules("\"risk\": {", "\"risk\": { \"properties\": { \"level\": {} },");
    assert!(said.contains("'level' is in a table that xtask/src/tidy/keys"), "{said}");
    assert!(rules("{", "").contains("cannot read the schema"));
}

#[test]
fn words_in_bold_are_read_as_groff_does() {
    assert_eq!(bold(".BR risk \", \" message"), ["risk", "message"]);
    assert_eq!(bold(".B or_absent"), ["or_absent"]);
    assert_eq!(bold(".RB ( \\(dqmon\\-fri\\(dq ),"), Vec::<String>::new());
    assert_eq!(bold(".RB ( true ),"), ["true"]);
    assert_eq!(bold(".BR [[rule]] ,"), ["rule"]);
    assert_eq!(bold("and risk"), Vec::<String>::new());
}
