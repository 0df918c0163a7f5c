//! A backend block as HCL, in the layout of `terraform fmt`. The library that writes it knows how
//! texts are escaped, so that nothing in them is evaluated.

use hcl_edit::expr::{Expression, Object, ObjectKey, ObjectValue, ObjectValueTerminator};
use hcl_edit::structure::{Attribute, Block, Body, Structure};
use hcl_edit::{Decorate as _, Decorated, Ident};
use serde_json::{Map, Number, Value};

/// The spaces of one level.
const INDENT: &str = "  ";
/// The level of the settings, inside `terraform` and `backend`.
const SETTINGS: usize = 2;
/// How deep settings may nest; deeper ones are left out.
const MAX_LEVELS: usize = 8;

/// A backend block with these settings.
pub(super) fn backend(kind: &str, settings: Vec<Structure>) -> String {
    let backend = block(1, "backend", Some(kind), settings);
    let terraform = block(0, "terraform", None, backend);
    Body::from(terraform.into_iter().collect::<Vec<_>>()).to_string()
}

/// An argument with a text. The names of arguments in a row are filled up to one width.
pub(super) fn text(name: &str, width: usize, text: &str) -> Option<Structure> {
    argument(SETTINGS, name, width, text.into())
}

/// A setting as a program keeps it in JSON. Objects in lists are blocks, as in `workspaces {}`. A
/// name that is none in HCL is left out.
pub(super) fn setting(name: &str, value: &Value) -> Vec<Structure> {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            let members = items.iter().filter_map(Value::as_object);
            members
                .filter_map(|members| nested(name, members))
                .collect()
        }
        Value::Object(members) if name == "workspaces" => {
            nested(name, members).into_iter().collect()
        }
        Value::Null => Vec::new(),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            let argument = argument(SETTINGS, name, 0, expression(value, 0));
            argument.into_iter().collect()
        }
    }
}

fn nested(name: &str, members: &Map<String, Value>) -> Option<Structure> {
    let members = members.iter().filter(|(_, value)| !value.is_null());
    let arguments =
        members.filter_map(|(name, value)| argument(SETTINGS + 1, name, 0, expression(value, 0)));
    block(SETTINGS, name, None, arguments)
}

fn block(
    level: usize,
    name: &str,
    label: Option<&str>,
    body: impl IntoIterator<Item = Structure>,
) -> Option<Structure> {
    let mut block = Block::builder(Ident::try_new(name).ok()?)
        .labels(label)
        .structures(body)
        .build();
    let indent = INDENT.repeat(level);
    block.body.decor_mut().set_suffix(indent.clone());
    block.decor_mut().set_prefix(indent);
    Some(block.into())
}

fn argument(level: usize, name: &str, width: usize, value: Expression) -> Option<Structure> {
    let mut name_of = Decorated::new(Ident::try_new(name).ok()?);
    let fill = " ".repeat(1 + width.saturating_sub(name.len()));
    name_of.decor_mut().set_suffix(fill);
    let mut argument = Attribute::new(name_of, value);
    argument.decor_mut().set_prefix(INDENT.repeat(level));
    Some(argument.into())
}

fn expression(value: &Value, level: usize) -> Expression {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Number(value) => number(value),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) if level < MAX_LEVELS => {
            let items = items.iter().map(|item| expression(item, level + 1));
            items.collect::<Vec<_>>().into()
        }
        Value::Object(members) if level < MAX_LEVELS => object(members, level).into(),
        Value::Null | Value::Array(_) | Value::Object(_) => Expression::null(),
    }
}

fn object(members: &Map<String, Value>, level: usize) -> Object {
    let mut object = Object::new();
    for (index, (name, value)) in members.iter().enumerate() {
        let mut key = Expression::from(name.as_str());
        if index > 0 {
            key.decor_mut().set_prefix(" ");
        }
        let mut value = ObjectValue::new(expression(value, level + 1));
        if index + 1 == members.len() {
            value.set_terminator(ObjectValueTerminator::None);
        }
        object.insert(ObjectKey::Expression(key), value);
    }
    object
}

fn number(number: &Number) -> Expression {
    let whole = number.as_i64().map(Expression::from);
    whole
        .or_else(|| number.as_u64().map(Expression::from))
        .or_else(|| number.as_f64().map(Expression::from))
        .unwrap_or_else(Expression::null)
}
