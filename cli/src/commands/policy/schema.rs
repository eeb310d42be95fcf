//! `holdpoint policy schema`.

use crate::{args::SchemaOf, failure::Failure, output};

const RULES: &str = include_str!("../../../../policies/schema/rules.schema.json");
const CASES: &str = include_str!("../../../../policies/schema/cases.schema.json");

/// It is JSON whether or not that was asked for.
pub(super) fn schema(of: SchemaOf) -> Result<(), Failure> {
    output::print(match of {
        SchemaOf::Rules => RULES,
        SchemaOf::Cases => CASES,
    })
}
