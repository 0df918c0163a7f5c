//! Addresses of resource instances: compared part by part, and written as Terraform prints them.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::json::unquoted;

/// Which instance of a resource; a number and a text of the same digits are two keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Index<'s> {
    /// There is but one.
    #[default]
    None,
    /// Of `count`.
    Number(i64),
    /// Of `for_each`.
    Text(Cow<'s, str>),
    /// What neither of them writes.
    Odd(&'s str),
}

impl<'s> Index<'s> {
    /// From the state's own `index_key`.
    pub(super) fn of(raw: Option<&'s RawValue>) -> Self {
        let Some(text) = raw.map(RawValue::get) else { return Self::None };
        if text == "null" {
            return Self::None;
        }
        if text.starts_with('"') {
            return Self::Text(unquoted(text));
        }
        // `-0` is no number of `count`, and would print as another's.
        text.parse().ok().filter(|number: &i64| number.to_string() == text).map_or(Self::Odd(text), Self::Number)
    }
}

impl fmt::Display for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Number(number) => write!(f, "[{number}]"),
            Self::Text(text) => write!(f, "[{}]", Quoted(text)),
            Self::Odd(raw) => write!(f, "[{raw}]"),
        }
    }
}

/// A text as HCL quotes it.
pub(super) struct Quoted<'s>(pub(super) &'s str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut rest = self.0.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '$' | '%' if rest.peek() == Some(&'{') => write!(f, "{character}{character}")?,
                control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A resource instance, told from every other one in its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address<'s> {
    /// As in `module.a[0].module.b`; empty for the root module.
    pub module: Cow<'s, str>,
    /// `managed` or `data`.
    pub mode: Cow<'s, str>,
    /// The resource's type.
    pub kind: Cow<'s, str>,
    /// The resource's name.
    pub name: Cow<'s, str>,
    /// Which of its instances.
    pub index: Index<'s>,
    /// The key of a deposed object; empty for the current one.
    pub deposed: Cow<'s, str>,
    /// Which of several at one and the same address, which no client writes.
    pub(super) again: u32,
}

/// As Terraform prints it, without the key of a deposed object.
impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.module.is_empty() {
            write!(f, "{}.", self.module)?;
        }
        match self.mode.as_ref() {
            "managed" => {}
            mode => write!(f, "{mode}.")?,
        }
        write!(f, "{}.{}{}", self.kind, self.name, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> String {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        Index::of(Some(raw)).to_string()
    }

    #[test]
    fn writes_index_keys_as_terraform_does() {
        assert_eq!(index("0"), "[0]");
        assert_eq!(index("\"0\""), "[\"0\"]");
        assert_eq!(index(r#""a\"b\\c\n${x} %{y} $ é\u0007""#), r#"["a\"b\\c\n$${x} %%{y} $ é\u0007"]"#);
        assert_eq!(index("1.5"), "[1.5]");
        assert_eq!(index("-0"), "[-0]");
        assert_eq!(index("null"), "");
    }
}
