//! `when`: an expression in CEL (<https://github.com/google/cel-spec>), for what no other clause can say.
//!
//! Nothing but this directory knows CEL. An expression is read once, with the rules. [`scan`] refuses what the crate's
//! parser could not bear. [`check`] gives each part a type, finds names and functions that do not exist, and notes what the
//! expression looks at. [`variables`] hands that over when there is something to decide, and where any of it is not
//! known, the whole is in doubt: `&&`, `||`, `has()` and loops never meet what is not known.

mod check;
mod kind;
mod scan;
mod variables;

use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, FunctionContext, Program, Value,
    common::{
        types::{CelBool, CelString},
        value::CowVal,
    },
};

use self::variables::{Budget, Look};
#[cfg(test)]
pub(super) use self::{
    check::FUNCTIONS,
    scan::MAX_BYTES as MAX_EXPRESSION_BYTES,
    variables::{MAX_BYTES, MAX_TEXTS, VARIABLES},
};
use super::{Expression, Truth, strings::Compiled, view::View};

/// So much is shown of the value of a variable, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// An expression over what is known of an exec.
#[derive(Clone)]
pub struct When(Arc<Inner>);

struct Inner {
    text: String,
    program: Program,
    looks: Vec<Look>,
    /// Has the functions that all decisions share.
    root: Context<'static, 'static>,
}

/// Why a text is no expression that can be used, and where in it.
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The operators and functions of CEL, which all expressions share.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// Reads what was written: a loop is still the call of its name.
static PLAIN: LazyLock<Env> = LazyLock::new(|| Env::default().with_optional_support(false));

impl When {
    /// # Errors
    /// When the text is no expression, or one that cannot be meant, or would be too dear.
    pub(super) fn new(text: &str, compiled: &Compiled) -> Result<Self, Fault> {
        scan::check(text)?;
        let plain = read(&PLAIN, text)?;
        let (looks, patterns) = check::check(&plain, text, compiled)?;
        let program = read(&STANDARD, text)?;
        let mut root = Context::with_env(Arc::clone(&STANDARD));
        if !patterns.is_empty() {
            let added = root.add_function("matches", matches(patterns));
            added.map_err(|error| Fault::new(0..text.len(), error.to_string()))?;
        }
        Ok(Self(Arc::new(Inner { text: text.to_owned(), program, looks, root })))
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        self.value(view).map_or(Truth::Doubt, Truth::from)
    }

    /// What it looks at, and why it is in doubt.
    pub(super) fn found(&self, view: &View<'_>) -> String {
        let mut texts: Vec<String> = self.value(view).err().into_iter().collect();
        let mut budget = Budget::default();
        for look in &self.0.looks {
            // What is not known is why it is in doubt.
            let Ok(found) = look.known(view, &mut budget) else { continue };
            texts.push(format!("{look} {}", super::explain::shorten(&found.to_string(), SHOWN_CHARACTERS)));
        }
        texts.join(", ")
    }

    /// The options that it looks at.
    pub(super) fn options(&self) -> impl Iterator<Item = &str> {
        self.named(variables::Variable::Flags)
    }

    /// The resources that it looks at.
    pub(super) fn resources(&self) -> impl Iterator<Item = &str> {
        self.named(variables::Variable::Resource)
    }

    fn named(&self, variable: variables::Variable) -> impl Iterator<Item = &str> {
        let looks = self.0.looks.iter().filter(move |look| look.variable == variable);
        looks.flat_map(|look| &look.names).map(String::as_str)
    }

    /// # Errors
    /// With the reason, where it is in doubt.
    fn value(&self, view: &View<'_>) -> Result<bool, String> {
        let Inner { program, looks, root, .. } = &*self.0;
        let mut scope = root.new_inner_scope();
        let mut budget = Budget::default();
        for look in looks {
            let found = look.known(view, &mut budget)?;
            scope.add_variable_as_val(look.variable.name(), found.into_value());
        }
        let run = || match program.execute(&scope) {
            Ok(Value::Bool(truth)) => Ok(truth),
            Ok(_) => Err("it is neither true nor false".to_owned()),
            Err(error) => Err(shown(&error)),
        };
        // None is known by which it would panic. If there is one, it is in doubt like any other error.
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("it cannot be computed".to_owned()))
    }
}

impl Fault {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// By what was written: the rest follows from it.
impl PartialEq for When {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for When {}

/// By what was written, as they are compared.
impl Hash for When {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "when {:?}", self.text())
    }
}

/// Calls the parser.
fn read(env: &Env, text: &str) -> Result<Program, Fault> {
    let read = catch_unwind(AssertUnwindSafe(|| env.compile(text)));
    let whole = || Fault::new(0..text.len(), "the expression cannot be read");
    let errors = match read {
        Ok(Ok(program)) => return Ok(program),
        Ok(Err(errors)) => errors.errors,
        Err(_) => return Err(whole()),
    };
    // The first is the cause of most others.
    let Some(first) = errors.into_iter().find(|error| error.pos.0 > 0) else { return Err(whole()) };
    // What it expects is everything with which an expression can go on.
    let why = first.msg.split(" expecting ").next().unwrap_or_default();
    let why = why.trim_start_matches("Syntax error: ");
    let why = crate::escape::for_terminal(why.as_bytes());
    let number = |number: isize| usize::try_from(number).unwrap_or_default().saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(number(first.pos.0)).map(str::len).sum();
    let line = text.get(before..).unwrap_or_default();
    let within = line.char_indices().nth(number(first.pos.1)).map_or(line.len(), |(at, _)| at);
    let at = before + within;
    Err(Fault::new(at..at + 1, format!("the expression cannot be read: {why}")))
}

/// `text.matches('pattern')`. All patterns were compiled when the rules were read.
fn matches(patterns: Vec<Expression>) -> Matches {
    Box::new(move |call| {
        let text = call.this.as_ref().and_then(|this| this.downcast_ref::<CelString<'_>>());
        let pattern = call.args.first().and_then(|pattern| pattern.downcast_ref::<CelString<'_>>());
        let (Some(text), Some(pattern)) = (text, pattern) else {
            return Err(ExecutionError::missing_argument_or_target());
        };
        match patterns.iter().find(|known| known.text() == pattern.inner()) {
            Some(known) => Ok(CowVal::owned(CelBool::from(known.matches(text.inner().as_bytes())))),
            None => Err(ExecutionError::function_error("matches", "the pattern is not known")),
        }
    })
}

type Matches = Box<
    dyn for<'context, 'call> Fn(
            &mut FunctionContext<'context, 'call>,
        ) -> Result<CowVal<'context, 'call>, ExecutionError>
        + Send
        + Sync,
>;

/// For people. Some errors of the crate show whole values.
fn shown(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no {}", crate::diagnostic::quoted(key)),
        ExecutionError::IndexOutOfBounds(_) => "a list has no element of this index".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "an integer is divided by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "an integer is too large".to_owned(),
        other => {
            let text = crate::escape::for_terminal(other.to_string().as_bytes());
            format!("it cannot be computed: {}", super::explain::shorten(&text, SHOWN_CHARACTERS))
        }
    }
}
