//! The marked part of a document that is written by a program.

use anyhow::Context as _;

/// Puts the table into the part of the document that is marked for this kernel.
pub(super) fn replace(document: &str, kernel: &str, table: &str) -> anyhow::Result<String> {
    let begin = format!("<!-- kernel {kernel}: written by cargo xtask bench -->\n");
    let end = format!("<!-- kernel {kernel}: end -->");
    let marks = || format!("find the part for kernel {kernel}: '{}' and '{end}' are not there", begin.trim());
    let (before, rest) = document.split_once(&begin).with_context(marks)?;
    let (_, after) = rest.split_once(&end).with_context(marks)?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_of_the_kernel_is_replaced() {
        let document =
            "a\n<!-- kernel 6.1: written by cargo xtask bench -->\nold\n<!-- kernel 6.1: end -->\nb\n";
        let once = replace(document, "6.1", "new\n").unwrap();
        assert_eq!(
            once,
            "a\n<!-- kernel 6.1: written by cargo xtask bench -->\n\nnew\n\n<!-- kernel 6.1: end -->\nb\n"
        );
        assert_eq!(replace(&once, "6.1", "new").unwrap(), once);
        assert!(replace(document, "6.12", "new").is_err());
    }
}
