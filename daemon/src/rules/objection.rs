//! What is wrong with one exec of a program that might run otherwise.

use holdpoint_core::{
    escape::for_terminal,
    policy::{Action, Decision, LoaderVariables},
};

use crate::observe::Observed;

/// Why this exec is refused, whatever people would say of its program. None where nothing is wrong with it, and where
/// it is refused already. Of a filed exec the kernel half looks for variables of the dynamic loader when it is tried again;
/// for others it cannot.
pub(super) fn to(decision: &Decision, observed: &Observed, filed: bool) -> Option<String> {
    if decision.action == Action::Deny {
        return None;
    }
    if filed && decision.loader_variables == LoaderVariables::RefuseAll {
        return Some(
            "a rule refuses more variables than those of the dynamic loader, and of an exec that is not held nobody sees \
             them; refused: give each rule about the program, or about its script's interpreter, wait = \"hold\""
                .to_owned(),
        );
    }
    if observed.exchange.is_some() {
        return observed.exchange.clone();
    }
    let refused = |variable: &&Vec<u8>| decision.loader_variables.refuses(variable);
    let variable = observed.loader_variables.iter().find(refused)?;
    let who = decision.rule.as_deref().map_or_else(
        || "so it is where no rule says otherwise".to_owned(),
        |rule| format!("rule '{rule}' says what becomes of these ('loader_variables')"),
    );
    Some(format!(
        "the variable '{}' is set, by which other code can run in the program's name; refused: {who}",
        for_terminal(variable)
    ))
}
