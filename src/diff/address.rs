//! Addresses of resource instances: compared part by part, and written as Terraform prints them.

use std::borrow::Cow;
use std::fmt;

use super::text::unquoted;
use crate::model::printable::{Printable, prints, write_escaped};

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
    pub(super) fn of(raw: Option<&'s str>) -> Self {
        match raw {
            None | Some("null") => Self::None,
            Some(text) if text.starts_with('"') => Self::Text(unquoted(text)),
            // Both programs read any number in this way.
            Some(text)
                if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) =>
            {
                text.parse()
                    .map_or(Self::Odd(text), |number| Self::Number(whole(number)))
            }
            Some(text) => Self::Odd(text),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "as the programs do: what is behind the point is left away"
)]
const fn whole(number: f64) -> i64 {
    number as i64
}

impl fmt::Display for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Number(number) => write!(f, "[{number}]"),
            Self::Text(text) => write!(f, "[{}]", Quoted(text)),
            Self::Odd(raw) => write!(f, "[{}]", Printable(raw)),
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
                '$' | '%' if rest.peek() == Some(&'{') => write!(f, "{character}{character}")?,
                other if prints(other) => fmt::Write::write_char(f, other)?,
                other => write_escaped(f, other)?,
            }
        }
        f.write_str("\"")
    }
}

/// A resource instance, told from every other one in its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceAddress<'s> {
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
}

/// As Terraform prints it.
impl fmt::Display for ResourceAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.module.is_empty() {
            write!(f, "{}.", Printable(&self.module))?;
        }
        match self.mode.as_ref() {
            "managed" => {}
            mode => write!(f, "{}.", Printable(mode))?,
        }
        write!(
            f,
            "{}.{}{}",
            Printable(&self.kind),
            Printable(&self.name),
            self.index
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> String {
        Index::of(Some(text)).to_string()
    }

    #[test]
    fn writes_index_keys_as_terraform_does() {
        assert_eq!(index("0"), "[0]");
        assert_eq!(index("\"0\""), "[\"0\"]");
        assert_eq!(
            index(r#""a\"b\\c\n${x} %%{y} $ é\u0007""#),
            r#"["a\"b\\c\n$${x} %%%{y} $ é\u0007"]"#
        );
        assert_eq!(index("null"), "");
        assert_eq!(index("true"), "[true]");
    }

    #[test]
    fn characters_that_do_not_print_are_written_as_terraform_does() {
        assert_eq!(
            index("\"a\u{200b}b\u{a0}\u{202e}\u{ad}c\u{301}\u{e0001}\u{feff}\""),
            r#"["a\u200bb\u00a0\u202e\u00adc\u{301}\U000e0001\ufeff"]"#
                .replace("\\u{301}", "\u{301}")
        );
        assert_eq!(
            index(r#""\u001b[31m\u0085\ud83d\ude00""#),
            r#"["\u001b[31m\u0085😀"]"#
        );
        let address = ResourceAddress {
            name: Cow::Borrowed("a\u{1b}\u{202e}"),
            kind: Cow::Borrowed("t"),
            mode: Cow::Borrowed("managed"),
            ..ResourceAddress::default()
        };
        assert_eq!(address.to_string(), r"t.a\u001b\u202e");
    }

    #[test]
    fn reads_numbers_as_both_programs_do() {
        for (written, number) in [
            ("-0", 0),
            ("1.5", 1),
            ("2.0", 2),
            ("1e1", 10),
            ("-3", -3),
            ("9007199254740993", 9_007_199_254_740_992),
        ] {
            assert_eq!(Index::of(Some(written)), Index::Number(number), "{written}");
        }
    }
}
