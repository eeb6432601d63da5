//! Which part of a program gives its result.
//!
//! A program is a function body; models also write a default export, one lone
//! function, or just an expression. Each is turned into a body that returns.
//! The shape is read before types are erased and applied after.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the syntax tree's enums are oxc's, and most of their kinds mean nothing here"
)]

use oxc_allocator::{Allocator, ArenaVec, GetAllocator, TakeIn};
use oxc_ast::ast::{
    Argument, ArrowFunctionExpression, ExportDefaultDeclarationKind, Expression, Function, Program,
    ReturnStatement, Statement,
};
use oxc_ast::builder::AstBuilder;
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, SPAN, Span};
use oxc_syntax::scope::ScopeFlags;

/// How a program says its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It returns by itself.
    Returns,
    /// It has no result.
    Body,
    /// One function and nothing else, to be called.
    LoneFunction,
    /// Its last statement is an expression, which is the result.
    LastExpression,
}

/// Reads the shape of a program. A default export is seen later, wherever it stands.
pub(super) fn find(program: &Program<'_>) -> Shape {
    let mut returns = Returns { found: false };
    returns.visit_program(program);
    if returns.found {
        return Shape::Returns;
    }
    let run: Vec<&Statement<'_>> = program.body.iter().filter(|s| !is_type(s)).collect();
    match run.as_slice() {
        [Statement::FunctionDeclaration(function)] if function.r#async && function.id.is_some() => {
            Shape::LoneFunction
        }
        [Statement::ExpressionStatement(only)]
            if matches!(
                only.expression.without_parentheses(),
                Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_)
            ) =>
        {
            Shape::LoneFunction
        }
        [.., Statement::ExpressionStatement(_)] => Shape::LastExpression,
        _ => Shape::Body,
    }
}

fn is_type(statement: &Statement<'_>) -> bool {
    match statement {
        Statement::ImportDeclaration(_) | Statement::EmptyStatement(_) => true,
        _ => statement
            .as_declaration()
            .is_some_and(|declaration| declaration.is_type() || declaration.declare()),
    }
}

/// Rewrites the body so that it returns the result.
pub(super) fn apply<'a>(shape: Shape, program: &mut Program<'a>, allocator: &'a Allocator) {
    let builder = AstBuilder::new(allocator);
    let mut body = ArenaVec::new_in(&builder);
    // What the default export gives; returned at the end, after everything else has run.
    let mut last: Option<Statement<'a>> = None;
    // Not simply the last: erasing types may leave an empty export behind it.
    let last_expression = program
        .body
        .iter()
        .rposition(|s| matches!(s, Statement::ExpressionStatement(_)));
    for (at, statement) in program.body.take_in(&builder).into_iter().enumerate() {
        match statement {
            Statement::ExportDefaultDeclaration(export) => {
                let span = export.span;
                let (kept, value) = default_export(export.unbox().declaration, &builder);
                body.extend(kept);
                last = value.map(|value| returning(span, value, &builder));
            }
            Statement::ExportDeclaration(export) => {
                body.push(Statement::from(export.unbox().declaration))
            }
            // Names that nobody can import.
            Statement::ExportNamedDeclaration(_)
            | Statement::ExportFromDeclaration(_)
            | Statement::ExportAllDeclaration(_) => {}
            Statement::ExpressionStatement(only) if shape == Shape::LoneFunction => {
                last = Some(returning(
                    only.span,
                    called(only.unbox().expression, &builder),
                    &builder,
                ));
            }
            Statement::FunctionDeclaration(function) if shape == Shape::LoneFunction => {
                let name = function
                    .id
                    .as_ref()
                    .map(|id| Expression::new_identifier(SPAN, id.name, &builder));
                last = name.map(|name| returning(function.span, called(name, &builder), &builder));
                body.push(Statement::FunctionDeclaration(function));
            }
            Statement::ExpressionStatement(expression)
                if shape == Shape::LastExpression && last_expression == Some(at) =>
            {
                body.push(returning(
                    expression.span,
                    expression.unbox().expression,
                    &builder,
                ));
            }
            other => body.push(other),
        }
    }
    body.extend(last);
    program.body = body;
}

/// The statement a default export leaves behind, and the value it stands for.
fn default_export<'a>(
    exported: ExportDefaultDeclarationKind<'a>,
    builder: &AstBuilder<'a>,
) -> (Option<Statement<'a>>, Option<Expression<'a>>) {
    match exported {
        ExportDefaultDeclarationKind::FunctionDeclaration(function) => match &function.id {
            Some(id) => {
                let name = Expression::new_identifier(SPAN, id.name, builder);
                (
                    Some(Statement::FunctionDeclaration(function)),
                    Some(called(name, builder)),
                )
            }
            None => {
                let mut function = function;
                function.r#type = oxc_ast::ast::FunctionType::FunctionExpression;
                (
                    None,
                    Some(called(Expression::FunctionExpression(function), builder)),
                )
            }
        },
        ExportDefaultDeclarationKind::ClassDeclaration(mut class) => match &class.id {
            Some(_) => (Some(Statement::ClassDeclaration(class)), None),
            None => {
                class.r#type = oxc_ast::ast::ClassType::ClassExpression;
                (None, Some(Expression::ClassExpression(class)))
            }
        },
        ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => (None, None),
        other => {
            let Ok(expression) = Expression::try_from(other) else {
                return (None, None);
            };
            let is_function = matches!(
                expression.without_parentheses(),
                Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_)
            );
            (
                None,
                Some(if is_function {
                    called(expression, builder)
                } else {
                    expression
                }),
            )
        }
    }
}

/// `function(tools)`: some write their function with `tools` as its parameter.
fn called<'a>(function: Expression<'a>, builder: &AstBuilder<'a>) -> Expression<'a> {
    let span = function.span();
    let tools = Argument::from(Expression::new_identifier(SPAN, "tools", builder));
    Expression::new_call_expression(
        span,
        function,
        None,
        ArenaVec::from_value_in(tools, &builder.allocator()),
        false,
        builder,
    )
}

fn returning<'a>(span: Span, value: Expression<'a>, builder: &AstBuilder<'a>) -> Statement<'a> {
    Statement::ReturnStatement(ReturnStatement::boxed(span, Some(value), builder))
}

/// Whether the body itself returns, functions inside it aside.
struct Returns {
    found: bool,
}

impl<'a> Visit<'a> for Returns {
    fn visit_return_statement(&mut self, _: &ReturnStatement<'a>) {
        self.found = true;
    }

    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}

    fn visit_arrow_function_expression(&mut self, _: &ArrowFunctionExpression<'a>) {}

    fn visit_expression(&mut self, it: &Expression<'a>) {
        // Only functions inside an expression could return.
        if !self.found {
            walk::walk_expression(self, it);
        }
    }
}
