use super::*;

fn problems_of(text: &str) -> Vec<String> {
    let file = SourceFile { name: "f.toml".to_owned(), text: text.to_owned() };
    let mut problems = Problems::new(&file);
    assert!(read(&file, &mut problems).is_none(), "{text}");
    problems.into_diagnostics().iter().map(ToString::to_string).collect()
}

#[test]
fn text_that_is_no_toml_has_a_place_and_nothing_else_is_said() {
    let expected = "\
error: string values must be quoted, expected literal string
  --> f.toml:2:5
   |
 2 | b = @
   |     ^";
    assert_eq!(problems_of("a = 1\nb = @\nc = 1\n"), [expected]);
    assert!(problems_of("a = 1\na = 2\n")[0].starts_with("error: duplicate key\n  --> f.toml:2:1\n"));
}

#[test]
fn a_file_that_is_too_long_is_not_read_at_all() {
    let text = "#".repeat(MAX_FILE_BYTES + 1);
    let why = "cannot read the file: it has more than 1048576 bytes";
    assert!(problems_of(&text)[0].starts_with(&format!("error: {why}\n")));
    let diagnostic = SourceFile::from_bytes("f.toml", text.into_bytes()).unwrap_err();
    assert_eq!(diagnostic.message, why);
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let diagnostic = SourceFile::from_bytes("f.toml", b"a = 1\nb = \"\xff\"\n".to_vec()).unwrap_err();
    assert_eq!((diagnostic.line, diagnostic.column), (2, 6));
    assert_eq!(diagnostic.message, "cannot read the file as text: this is not UTF-8");
    assert_eq!(SourceFile::from_bytes("f", b"a = 1".to_vec()).unwrap().text, "a = 1");
}

#[test]
fn a_thousand_problems_are_not_told_one_by_one() {
    let told = problems_of(&"= 1\n".repeat(1000));
    assert_eq!(told.len(), MAX_PROBLEMS + 1);
    let last = told.last().unwrap();
    assert!(
        last.starts_with("error: ") && last.contains("more problems in this file are not shown"),
        "{last}"
    );
}
