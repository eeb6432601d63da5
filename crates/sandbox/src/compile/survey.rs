//! The tool calls that are visible in a program's text, read from its tree before types are erased.
//!
//! Sees `tools.a.b(…)` and its other spellings, and constants that stand for a part of `tools`. Does
//! not guess: what is computed, reassigned or shadowed is no visible call. Whether a call is
//! *guarded*, so that the program may mean to catch its error, is read from what stands around it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the syntax tree's enums are oxc's, and most of their kinds mean nothing here"
)]

use std::collections::HashMap;

use domain::partial::{Partial, Place};
use oxc_ast::ast::{
    Argument, ArrowFunctionExpression, AwaitExpression, BindingPattern, CallExpression,
    ChainElement, ExportDefaultDeclarationKind, Expression, FormalParameters, Function,
    IdentifierReference, Program, ReturnStatement, Statement, TryStatement, VariableDeclaration,
    VariableDeclarationKind,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::Scoping;
use oxc_span::{GetSpan, Span};
use oxc_syntax::scope::ScopeFlags;
use oxc_syntax::symbol::SymbolId;

use super::lines::Lines;
use super::literal;
use super::shape::Shape;

/// Calls that are looked at; the rest of a longer program is checked when it runs.
const CALLS_MAX: usize = 1_000;

/// Keys of `tools` that are no paths (`reserved` in the prelude).
const RESERVED: [&str; 4] = ["then", "toJSON", "toString", "valueOf"];

/// A call of a tool as the program's text shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct VisibleCall {
    /// The path as written, segments joined by dots.
    pub path: String,
    /// Where the call begins, in the source as sent.
    pub place: Place,
    /// Its arguments; an empty object where none are given.
    pub arguments: Partial,
    /// Its options; an empty object where none are given.
    pub options: Partial,
    /// Whether the program may mean to catch what the call throws.
    pub guarded: bool,
}

/// What a program's text shows.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) calls: Vec<VisibleCall>,
    /// Whether `tools`, or a part of it, also goes where calls cannot be followed.
    pub(super) tools_escape: bool,
}

/// Reads a program's visible calls.
pub(super) fn survey(
    program: &Program<'_>,
    shape: Shape,
    scoping: &Scoping,
    lines: &Lines<'_>,
) -> Seen {
    let mut survey = Survey {
        scoping,
        lines,
        aliases: HashMap::new(),
        main: None,
        calls: Vec::new(),
        guards: 0,
        functions: 0,
        awaited: None,
        handlers: false,
        mentions: 0,
        followed: 0,
    };
    if let Some((span, parameters)) = main_function(program, shape) {
        survey.main = Some(span);
        // It will be called with `tools`.
        if let Some(first) = parameters.items.first()
            && first.initializer.is_none()
        {
            survey.bind(&first.pattern, "");
        }
    }
    survey.visit_program(program);
    let handlers = survey.handlers;
    let calls = survey.calls.into_iter().map(|(mut call, elsewhere)| {
        call.guarded |= handlers && elsewhere;
        call
    });
    Seen {
        calls: calls.collect(),
        tools_escape: survey.mentions > survey.followed,
    }
}

/// The function that a program consists of, if it is of that shape.
fn main_function<'p, 'a>(
    program: &'p Program<'a>,
    shape: Shape,
) -> Option<(Span, &'p FormalParameters<'a>)> {
    fn of_expression<'p, 'a>(it: &'p Expression<'a>) -> Option<(Span, &'p FormalParameters<'a>)> {
        match it.without_parentheses() {
            Expression::ArrowFunctionExpression(it) => Some((it.span, &*it.params)),
            Expression::FunctionExpression(it) => Some((it.span, &*it.params)),
            _ => None,
        }
    }
    program.body.iter().find_map(|statement| match statement {
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(it) => Some((it.span, &*it.params)),
            other => other.as_expression().and_then(of_expression),
        },
        Statement::FunctionDeclaration(it) if shape == Shape::LoneFunction => {
            Some((it.span, &*it.params))
        }
        Statement::ExpressionStatement(it) if shape == Shape::LoneFunction => {
            of_expression(&it.expression)
        }
        _ => None,
    })
}

struct Survey<'s> {
    scoping: &'s Scoping,
    lines: &'s Lines<'s>,
    /// Constants that stand for a path below `tools`, or for `tools` itself.
    aliases: HashMap<SymbolId, String>,
    main: Option<Span>,
    /// Each with whether something elsewhere in the program may catch what it throws.
    calls: Vec<(VisibleCall, bool)>,
    /// Things around this point that catch errors.
    guards: usize,
    /// Functions around this point, the main one aside.
    functions: usize,
    /// The call whose outcome is waited for on the spot.
    awaited: Option<Span>,
    /// Whether the program catches any error at all.
    handlers: bool,
    /// How often `tools` or an alias is named, and how often it was clear what for.
    mentions: usize,
    followed: usize,
}

impl Survey<'_> {
    /// The path that a name stands for: empty for `tools`.
    fn path_of_name(&self, it: &IdentifierReference<'_>) -> Option<&str> {
        let reference = self.scoping.get_reference(it.reference_id.get()?);
        match reference.symbol_id() {
            Some(symbol) => self.aliases.get(&symbol).map(String::as_str),
            None => (it.name == "tools").then_some(""),
        }
    }

    /// The path that an expression stands for.
    fn path_of(&self, expression: &Expression<'_>) -> Option<String> {
        let mut keys: Vec<String> = Vec::new();
        let mut at = expression.get_inner_expression();
        let root = loop {
            at = match at {
                Expression::Identifier(it) => break self.path_of_name(it)?,
                Expression::StaticMemberExpression(it) => {
                    keys.push(it.property.name.to_string());
                    it.object.get_inner_expression()
                }
                Expression::ComputedMemberExpression(it) => {
                    keys.push(literal_key(&it.expression)?);
                    it.object.get_inner_expression()
                }
                Expression::ChainExpression(it) => match &it.expression {
                    ChainElement::StaticMemberExpression(it) => {
                        keys.push(it.property.name.to_string());
                        it.object.get_inner_expression()
                    }
                    ChainElement::ComputedMemberExpression(it) => {
                        keys.push(literal_key(&it.expression)?);
                        it.object.get_inner_expression()
                    }
                    ChainElement::TSNonNullExpression(it) => it.expression.get_inner_expression(),
                    _ => return None,
                },
                _ => return None,
            };
        };
        if keys.iter().any(|key| RESERVED.contains(&key.as_str())) {
            return None;
        }
        let mut path = root.to_owned();
        for key in keys.iter().rev() {
            push(&mut path, key);
        }
        Some(path)
    }

    /// Lets the names of a pattern stand for what they take out of a path.
    fn bind(&mut self, pattern: &BindingPattern<'_>, path: &str) {
        match pattern {
            BindingPattern::BindingIdentifier(it) => {
                if let Some(symbol) = it.symbol_id.get() {
                    self.aliases.insert(symbol, path.to_owned());
                }
            }
            BindingPattern::ObjectPattern(it) => {
                if it.rest.is_some() {
                    // What the rest holds cannot be followed.
                    self.mentions += 1;
                }
                for property in &it.properties {
                    let key = property.key.static_name();
                    match key.filter(|key| !RESERVED.contains(&key.as_ref())) {
                        Some(key) => {
                            let mut inner = path.to_owned();
                            push(&mut inner, &key);
                            self.bind(&property.value, &inner);
                        }
                        None => self.mentions += 1,
                    }
                }
            }
            _ => self.mentions += 1,
        }
    }

    fn record(&mut self, it: &CallExpression<'_>, path: String) {
        self.followed += 1;
        if path.is_empty() || self.calls.len() == CALLS_MAX {
            return;
        }
        let value = |at: usize| match it.arguments.get(at) {
            None => Partial::empty(),
            Some(given) => given.as_expression().map_or(Partial::Unknown, |given| {
                match literal::read(given, self.lines) {
                    None | Some(Partial::Scalar(serde_json::Value::Null)) => Partial::empty(),
                    Some(value) => value,
                }
            }),
        };
        // What is spread may be any number of arguments.
        let spread = matches!(it.arguments.first(), Some(Argument::SpreadElement(_)));
        let call = VisibleCall {
            path,
            place: self.lines.place(it.span.start as usize),
            arguments: value(0),
            options: if spread { Partial::Unknown } else { value(1) },
            guarded: self.guards > 0,
        };
        let elsewhere = self.functions > 0 || self.awaited != Some(it.span);
        self.calls.push((call, elsewhere));
    }

    fn waited_for(&mut self, expression: &Expression<'_>) {
        self.awaited = match expression.get_inner_expression() {
            Expression::ChainExpression(it) => Some(it.expression.span()),
            it => Some(it.span()),
        };
    }

    fn within(&mut self, guarded: bool, visit: impl FnOnce(&mut Self)) {
        self.guards += usize::from(guarded);
        visit(self);
        self.guards -= usize::from(guarded);
    }

    fn in_function(&mut self, span: Span, visit: impl FnOnce(&mut Self)) {
        let nested = self.main != Some(span);
        self.functions += usize::from(nested);
        visit(self);
        self.functions -= usize::from(nested);
    }
}

fn push(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

fn literal_key(expression: &Expression<'_>) -> Option<String> {
    match expression.get_inner_expression() {
        Expression::StringLiteral(it) => Some(it.value.to_string()),
        Expression::TemplateLiteral(it) => it.single_quasi().map(|text| text.to_string()),
        _ => None,
    }
}

/// Which part of a call of a method cannot throw past it.
enum Catches {
    /// `….catch(f)`, `….then(f, g)`: what stands before.
    Before,
    /// `Promise.allSettled(…)` and the like: the arguments.
    Arguments,
}

fn catches(it: &CallExpression<'_>) -> Option<Catches> {
    let callee = it.callee.get_inner_expression().as_member_expression()?;
    match (callee.static_property_name()?, it.arguments.len()) {
        ("catch", 1..) | ("then", 2..) => Some(Catches::Before),
        ("allSettled" | "any" | "race", _) if callee.object().is_specific_id("Promise") => {
            Some(Catches::Arguments)
        }
        _ => None,
    }
}

impl<'a> Visit<'a> for Survey<'_> {
    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        if self.path_of_name(it).is_some() {
            self.mentions += 1;
        }
    }

    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        if it.kind == VariableDeclarationKind::Const {
            for declarator in &it.declarations {
                let path = declarator.init.as_ref().and_then(|init| self.path_of(init));
                if let Some(path) = path {
                    self.followed += 1;
                    self.bind(&declarator.id, &path);
                }
            }
        }
        walk::walk_variable_declaration(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if let Some(path) = self.path_of(&it.callee) {
            self.record(it, path);
            return walk::walk_call_expression(self, it);
        }
        let catches = catches(it);
        self.handlers |= catches.is_some();
        self.within(matches!(catches, Some(Catches::Before)), |this| {
            this.visit_expression(&it.callee);
        });
        self.within(matches!(catches, Some(Catches::Arguments)), |this| {
            this.visit_arguments(&it.arguments);
        });
    }

    fn visit_try_statement(&mut self, it: &TryStatement<'a>) {
        let catches = it.handler.is_some();
        self.handlers |= catches;
        self.within(catches, |this| this.visit_block_statement(&it.block));
        if let Some(handler) = &it.handler {
            self.visit_catch_clause(handler);
        }
        if let Some(finalizer) = &it.finalizer {
            self.visit_block_statement(finalizer);
        }
    }

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        self.waited_for(&it.argument);
        walk::walk_await_expression(self, it);
    }

    fn visit_return_statement(&mut self, it: &ReturnStatement<'a>) {
        if let Some(argument) = &it.argument {
            self.waited_for(argument);
        }
        walk::walk_return_statement(self, it);
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.in_function(it.span, |this| walk::walk_function(this, it, flags));
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.in_function(it.span, |this| {
            walk::walk_arrow_function_expression(this, it);
        });
    }
}

#[cfg(test)]
mod tests;
