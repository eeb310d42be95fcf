//! Gives each part of an expression a type before it is ever computed.
//!
//! CEL finds what does not fit when it computes, or never: `args == 'x'` is false for whatever arguments there are, and a rule
//! that asks would silently be none. So there is a closed vocabulary here, and all that does not fit is an error in the file.

mod faults;

use cel::{
    IdedExpr, Program,
    common::ast::{CallExpr, Expr, LiteralValue, operators},
};

use super::{
    super::{Expression, strings::Compiled},
    Fault,
    kind::{Kind, NUMBER, Scalar, TEXT, TRUTH},
    variables::{Look, VARIABLES, Variable},
};
use crate::{diagnostic::quoted, document::nearest};

/// Parts in parts. One more is an error: to compute an expression takes some of the stack for each.
const MAX_DEPTH: usize = 64;

/// How often `+` may put strings together. One more is an error: in loops that follow each other, what one has put together
/// the next could double.
const MAX_JOINS: usize = 8;

/// What can be called. Operators have none.
pub(in crate::policy) const FUNCTIONS: [&str; 12] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "has",
    "exists",
    "all",
    "exists_one",
    "filter",
    "map",
];

/// What an expression looks at, and the patterns in it.
pub(super) fn check(
    program: &Program,
    text: &str,
    compiled: &Compiled,
) -> Result<(Vec<Look>, Vec<Expression>), Fault> {
    let mut checker = Checker {
        program,
        text,
        compiled,
        item: None,
        depth: 0,
        joins: 0,
        looks: Vec::new(),
        patterns: Vec::new(),
    };
    checker.expect(program.expression(), TRUTH)?;
    if checker.looks.is_empty() {
        let message = "the expression looks at nothing: it would always be the same";
        return Err(Fault::new(0..text.len(), message));
    }
    checker.looks.sort_by_key(|look| look.variable);
    Ok((checker.looks, checker.patterns))
}

struct Checker<'e> {
    program: &'e Program,
    text: &'e str,
    compiled: &'e Compiled,
    /// The variable of the loop around.
    item: Option<(&'e str, Scalar)>,
    depth: usize,
    joins: usize,
    looks: Vec<Look>,
    patterns: Vec<Expression>,
}

impl<'e> Checker<'e> {
    fn kind(&mut self, part: &'e IdedExpr) -> Result<Kind, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let hint = "write shorter expressions in several rules";
            return Err(self
                .fault(part, format!("more than {MAX_DEPTH} parts stand in each other"))
                .hint(hint));
        }
        let kind = match &part.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => Ok(TRUTH),
            Expr::Literal(LiteralValue::Int(_)) => Ok(NUMBER),
            Expr::Literal(LiteralValue::String(_)) => Ok(TEXT),
            Expr::Ident(name) => self.variable(part, name),
            Expr::Select(select) => match self.map(&select.operand) {
                Some(Variable::Flags) => {
                    let hint = "names of options begin with '-': write flags['--name']";
                    Err(self.fault_at_name(part, &select.field, "an option stands in brackets").hint(hint))
                }
                Some(map) => self.named(part, map, &select.field),
                None => {
                    let message = format!("{} is a field of nothing", quoted(&select.field));
                    let hint = "only 'env' and 'resource' have fields, such as env.HOME";
                    Err(self.fault_at_name(part, &select.field, message).hint(hint))
                }
            },
            Expr::Call(call) => self.call(part, call),
            Expr::List(list) => {
                let mut kind = Kind::Empty;
                for element in &list.elements {
                    let found = self.kind(element)?;
                    kind = match (kind, found) {
                        (Kind::Empty, Kind::One(scalar)) => Kind::Many(scalar),
                        (Kind::Many(scalar), Kind::One(other)) if scalar == other => kind,
                        _ => return Err(self.fault(element, format!("{found} is out of place in this list"))),
                    };
                }
                Ok(kind)
            }
            _ => {
                let hint = "there are strings, integers, true, false, and lists of these";
                Err(self.fault(part, "a value of a kind that no rule needs").hint(hint))
            }
        };
        self.depth -= 1;
        kind
    }

    /// A variable as a whole.
    fn variable(&mut self, part: &IdedExpr, name: &str) -> Result<Kind, Fault> {
        if let Some((_, scalar)) = self.item.filter(|(item, _)| *item == name) {
            return Ok(Kind::One(scalar));
        }
        let Some((_, variable, kind)) = VARIABLES.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = VARIABLES.iter().map(|(known, ..)| *known).collect();
            let hint = match nearest(name, &known) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are {}", known.join(", ")),
            };
            return Err(self.fault_at_name(part, name, format!("unknown name {}", quoted(name))).hint(hint));
        };
        if *kind == Kind::Named {
            let hint = match variable {
                Variable::Flags => "name the option: flags['--name'], or '--name' in flags",
                _ => "name the resource: resource.region",
            };
            return Err(self.fault_at_name(part, name, format!("'{name}' as a whole")).hint(hint));
        }
        if !matches!(kind, Kind::One(_)) {
            self.outside_of_loops(part)?;
        }
        self.look(*variable, None);
        Ok(*kind)
    }

    /// `env`, `flags` or `resource`, where a part is one of these.
    fn map(&self, part: &IdedExpr) -> Option<Variable> {
        let Expr::Ident(name) = &part.expr else { return None };
        let (_, variable, kind) = VARIABLES.iter().find(|(known, ..)| known == name)?;
        matches!(kind, Kind::Variables | Kind::Named).then_some(*variable)
    }

    /// One of a map, by a name that was written out.
    fn named(&mut self, part: &IdedExpr, map: Variable, name: &str) -> Result<Kind, Fault> {
        let fault = match map {
            Variable::Flags if !name.starts_with('-') => Some("is no option's name: it begins with no '-'"),
            Variable::Env if name.is_empty() || name.contains('=') => Some("is no variable's name"),
            _ => None,
        };
        if let Some(why) = fault {
            return Err(self.fault(part, format!("{} {why}", quoted(name))));
        }
        if map != Variable::Env {
            self.outside_of_loops(part)?;
        }
        self.look(map, Some(name));
        Ok(if map == Variable::Env { TEXT } else { Kind::Many(Scalar::Text) })
    }

    fn look(&mut self, variable: Variable, name: Option<&str>) {
        let name = name.map(str::to_owned);
        let Some(look) = self.looks.iter_mut().find(|look| look.variable == variable) else {
            self.looks.push(Look { variable, names: name.into_iter().collect() });
            return;
        };
        match name {
            // All of them.
            None => look.names.clear(),
            Some(name) => {
                if !look.names.is_empty() && !look.names.contains(&name) {
                    look.names.push(name);
                }
            }
        }
    }

    fn call(&mut self, part: &'e IdedExpr, call: &'e CallExpr) -> Result<Kind, Fault> {
        let CallExpr { func_name, target, args } = call;
        match (func_name.as_str(), target.as_deref(), args.as_slice()) {
            (operators::LOGICAL_NOT, None, [one]) => self.expect(one, TRUTH),
            (operators::LOGICAL_AND | operators::LOGICAL_OR, None, [one, other]) => {
                self.expect(one, TRUTH)?;
                self.expect(other, TRUTH)
            }
            (operators::CONDITIONAL, None, [condition, one, other]) => {
                self.expect(condition, TRUTH)?;
                self.same(part, one, other)
            }
            (operators::EQUALS | operators::NOT_EQUALS, None, [one, other]) => {
                let kind = self.same(part, one, other)?;
                match kind {
                    Kind::Variables | Kind::Named => {
                        Err(self.fault(part, format!("{kind} is compared as a whole")))
                    }
                    _ => Ok(TRUTH),
                }
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                None,
                [one, other],
            ) => match self.same(part, one, other)? {
                NUMBER | TEXT => Ok(TRUTH),
                kind => Err(self.fault(part, format!("{kind} has no order"))),
            },
            (operators::ADD, None, [one, other]) => match self.same(part, one, other)? {
                NUMBER => Ok(NUMBER),
                TEXT => {
                    self.joins += 1;
                    if self.joins > MAX_JOINS {
                        let message = format!("strings are put together more than {MAX_JOINS} times");
                        return Err(self.fault(part, message));
                    }
                    Ok(TEXT)
                }
                kind => Err(self.fault(part, format!("'+' is for integers and strings, not for {kind}"))),
            },
            (
                operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
                None,
                [one, other],
            ) => {
                self.expect(one, NUMBER)?;
                self.expect(other, NUMBER)
            }
            (operators::NEGATE, None, [one]) => self.expect(one, NUMBER),
            (operators::IN, None, [one, list]) => self.within(part, one, list),
            (operators::INDEX, None, [list, index]) => self.index(part, list, index),
            ("has", None, [field]) => match &field.expr {
                Expr::Select(select) if self.map(&select.operand) == Some(Variable::Env) => {
                    self.kind(field)?;
                    Ok(TRUTH)
                }
                _ => {
                    let hint = "write has(env.NAME), or 'name' in list";
                    Err(self.fault(part, "has() is for variables of 'env'").hint(hint))
                }
            },
            ("size", None, [of]) | ("size", Some(of), []) => match self.kind(of)? {
                TEXT | Kind::Many(_) | Kind::Empty | Kind::Variables => Ok(NUMBER),
                kind => Err(self.fault(part, format!("{kind} has no size"))),
            },
            ("int", None, [text]) => {
                self.expect(text, TEXT)?;
                Ok(NUMBER)
            }
            ("contains" | "startsWith" | "endsWith", Some(text), [other]) => {
                if matches!(self.kind(text)?, Kind::Many(_)) {
                    let message = format!("'{func_name}' is for strings, and this is a list");
                    return Err(self.fault_at_name(part, func_name, message).hint("write 'x' in list"));
                }
                self.expect(text, TEXT)?;
                self.expect(other, TEXT)?;
                Ok(TRUTH)
            }
            ("matches", Some(text), [pattern]) => {
                self.expect(text, TEXT)?;
                let Some(pattern_text) = literal(pattern) else {
                    let message = "the pattern of matches() has to be written out";
                    return Err(self.fault(pattern, message));
                };
                let pattern = Expression::new(pattern_text, self.compiled).map_err(|why| {
                    self.fault(pattern, format!("this is no regular expression that can be used: {why}"))
                })?;
                self.patterns.push(pattern);
                Ok(TRUTH)
            }
            (name @ ("exists" | "all" | "exists_one" | "filter" | "map"), Some(list), [item, body]) => {
                self.each(part, name, list, item, body)
            }
            (name, ..) => Err(self.no_such_function(part, name)),
        }
    }

    /// A loop over a list or the names of variables.
    fn each(
        &mut self,
        part: &'e IdedExpr,
        name: &str,
        list: &'e IdedExpr,
        item: &'e IdedExpr,
        body: &'e IdedExpr,
    ) -> Result<Kind, Fault> {
        self.outside_of_loops(part)?;
        let scalar = match self.kind(list)? {
            Kind::Many(scalar) => scalar,
            Kind::Variables => Scalar::Text,
            kind => return Err(self.fault(list, format!("{name}() is for lists, and this is {kind}"))),
        };
        let Expr::Ident(item_name) = &item.expr else {
            return Err(
                self.fault(item, format!("{name}() takes a name and what holds of it: {name}(x, x == 'a')"))
            );
        };
        if VARIABLES.iter().any(|(known, ..)| known == item_name) {
            let message = format!("{} is the name of something else", quoted(item_name));
            return Err(self.fault_at_name(item, item_name, message));
        }
        self.item = Some((item_name, scalar));
        let kind = self.kind(body);
        self.item = None;
        match (name, kind?) {
            ("map", Kind::One(scalar)) => Ok(Kind::Many(scalar)),
            ("filter", TRUTH) => Ok(Kind::Many(scalar)),
            ("exists" | "all" | "exists_one", TRUTH) => Ok(TRUTH),
            ("map", kind) => {
                Err(self.fault(body, format!("map() makes lists of single values, and this is {kind}")))
            }
            (_, kind) => Err(self.wrong(body, TRUTH, kind)),
        }
    }

    /// `one in list`
    fn within(&mut self, part: &'e IdedExpr, one: &'e IdedExpr, list: &'e IdedExpr) -> Result<Kind, Fault> {
        match (self.map(list), literal(one)) {
            (Some(map @ (Variable::Env | Variable::Flags)), Some(name)) => {
                self.named(one, map, name)?;
                Ok(TRUTH)
            }
            (Some(Variable::Flags), None) => {
                Err(self.fault(one, "the name of an option has to be written out"))
            }
            (Some(Variable::Env), None) => {
                self.look(Variable::Env, None);
                self.expect(one, TEXT)?;
                Ok(TRUTH)
            }
            (Some(Variable::Resource), _) => {
                let hint =
                    "one that nothing tells is in doubt, never absent: look at its values, resource.region";
                Err(self.fault(part, "'in' says nothing of a resource").hint(hint))
            }
            _ => {
                let (one_kind, list_kind) = (self.kind(one)?, self.kind(list)?);
                match (one_kind, list_kind) {
                    (Kind::One(scalar), Kind::Many(other)) if scalar == other => Ok(TRUTH),
                    _ => Err(self.fault(part, format!("{one_kind} cannot be in {list_kind}"))),
                }
            }
        }
    }

    /// `list[index]`
    fn index(&mut self, part: &'e IdedExpr, list: &'e IdedExpr, index: &'e IdedExpr) -> Result<Kind, Fault> {
        match (self.map(list), literal(index)) {
            (Some(map), Some(name)) => self.named(index, map, name),
            (Some(Variable::Flags | Variable::Resource), None) => {
                Err(self.fault(index, "the name has to be written out"))
            }
            (Some(_), None) => {
                self.look(Variable::Env, None);
                self.expect(index, TEXT)
            }
            _ => match self.kind(list)? {
                Kind::Many(scalar) => {
                    self.expect(index, NUMBER)?;
                    Ok(Kind::One(scalar))
                }
                kind => Err(self.fault(part, format!("{kind} has no elements"))),
            },
        }
    }

    /// The kind of two parts that have to be of one.
    fn same(&mut self, part: &IdedExpr, one: &'e IdedExpr, other: &'e IdedExpr) -> Result<Kind, Fault> {
        let (kind, other) = (self.kind(one)?, self.kind(other)?);
        match (kind, other) {
            (Kind::Empty, Kind::Many(_)) => Ok(other),
            (Kind::Many(_), Kind::Empty) => Ok(kind),
            _ if kind == other => Ok(kind),
            _ => Err(self.fault(part, format!("{kind} and {other} never fit together"))),
        }
    }

    fn expect(&mut self, part: &'e IdedExpr, wanted: Kind) -> Result<Kind, Fault> {
        let found = self.kind(part)?;
        if found == wanted { Ok(found) } else { Err(self.wrong(part, wanted, found)) }
    }

    /// What a loop does for each element takes no other list: the agent chooses how long both are.
    fn outside_of_loops(&self, part: &IdedExpr) -> Result<(), Fault> {
        if self.item.is_none() {
            return Ok(());
        }
        let hint = "inside of a loop there are single values, variables by their names, and lists that are written out";
        Err(self.fault(part, "a list is gone through for each element of another").hint(hint))
    }
}

/// The text of a string that was written out.
fn literal(part: &IdedExpr) -> Option<&str> {
    match &part.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
