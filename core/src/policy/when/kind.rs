//! What the parts of an expression can be.

/// What a part of an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Kind {
    One(Scalar),
    Many(Scalar),
    /// `[]`, which is a list of whatever fits.
    Empty,
    /// `env`: strings by name.
    Variables,
    /// `flags` and `resource`: lists of strings by names that have to be written out.
    Named,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Scalar {
    Truth,
    Number,
    Text,
}

pub(super) const TRUTH: Kind = Kind::One(Scalar::Truth);
pub(super) const NUMBER: Kind = Kind::One(Scalar::Number);
pub(super) const TEXT: Kind = Kind::One(Scalar::Text);

/// With its article.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::One(Scalar::Truth) => "true or false",
            Self::One(Scalar::Number) => "an integer",
            Self::One(Scalar::Text) => "a string",
            Self::Many(Scalar::Truth) => "a list of truths",
            Self::Many(Scalar::Number) => "a list of integers",
            Self::Many(Scalar::Text) => "a list of strings",
            Self::Empty => "an empty list",
            Self::Variables => "'env'",
            Self::Named => "values by name",
        })
    }
}
