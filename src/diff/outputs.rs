//! The outputs of a state, without secrets.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::instance::Output;
use super::masking::Mask;
use super::not_comparable::NotComparable;
use super::reading::{Text, read_members};
use super::state::StateTree;
use super::values::{Shown, shown_text};

/// One output.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of the answer"
)]
#[derive(Debug, Default, Serialize)]
pub struct ShownOutput {
    /// Its value, as it is written; left out where it is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Box<RawValue>>,
    /// Its type, as the state writes it; where the value is hidden without what is in it.
    #[serde(rename = "type")]
    pub kind: Option<Box<RawValue>>,
    /// Whether the state marks it so.
    pub sensitive: bool,
    /// Whether its value is secret, and so left out.
    pub hidden: bool,
    /// Whether something inside its value is secret, and so masked.
    pub hidden_inside: bool,
    /// Whether its value is nested too deep or too crowded to be looked into, and so left out.
    pub too_deep: bool,
}

/// The outputs of a state; secrets in clear only if `reveal` says so. A value may have any length.
///
/// # Errors
///
/// Where the state cannot be read as one of format 1 to 4.
pub fn outputs(bytes: &[u8], reveal: bool) -> Result<BTreeMap<String, ShownOutput>, NotComparable> {
    let outputs = StateTree::parse(bytes)?.outputs.into_iter();
    let shown = outputs.map(|(name, output)| {
        let shown = ShownOutput::of(&name.0, output, reveal);
        (name.0.into_owned(), shown)
    });
    Ok(shown.collect())
}

impl ShownOutput {
    fn of(name: &str, output: Output<'_>, reveal: bool) -> Self {
        let show = |raw: &RawValue, mask: &Mask| shown_text(raw.get(), mask, usize::MAX);
        let mut shown = Self {
            sensitive: output.sensitive,
            ..Self::default()
        };
        let open = Mask::of_output("", false, true);
        let mask = Mask::of_output(name, output.sensitive, reveal);
        match output.value.map(|raw| show(raw, &mask)) {
            None => {}
            Some(Shown::Hidden) => shown.hidden = true,
            Some(Shown::TooLong) => shown.too_deep = true,
            Some(Shown::Value { value, masked }) => {
                (shown.value, shown.hidden_inside) = (Some(value), masked);
            }
        }
        if shown.hidden {
            shown.kind = output.kind.and_then(outermost);
        } else if let Some(Shown::Value { value, .. }) = output.kind.map(|raw| show(raw, &open)) {
            shown.kind = Some(value);
        }
        shown
    }
}

/// A type without what is in it: that would tell how many elements a hidden value has, and their
/// names.
fn outermost(kind: &RawValue) -> Option<Box<RawValue>> {
    let inner: Vec<&RawValue> = serde_json::from_str(kind.get()).unwrap_or_else(|_| vec![kind]);
    let word = inner.first().filter(|word| word.get().starts_with('"'))?;
    Some((*word).to_owned())
}

/// An output that is not sensitive, as it is written.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OpenOutput<'a> {
    /// Its value.
    pub value: Option<&'a RawValue>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'a RawValue,
}

#[derive(Default)]
struct Outputs<'a> {
    outputs: BTreeMap<Text<'a>, Output<'a>>,
}

read_members!(Outputs { "outputs" => outputs });

/// The outputs of a state of format 4 that are not sensitive, as the programs read them.
///
/// # Errors
///
/// Where they are not as Terraform writes them.
pub fn open_outputs(bytes: &[u8]) -> Result<BTreeMap<String, OpenOutput<'_>>, NotComparable> {
    let all: Outputs<'_> = serde_json::from_slice(bytes).map_err(|_| NotComparable::Unexpected)?;
    all.outputs
        .into_iter()
        .filter(|(_, output)| !output.sensitive)
        .map(as_written)
        .collect()
}

fn as_written<'a>(
    (name, output): (Text<'a>, Output<'a>),
) -> Result<(String, OpenOutput<'a>), NotComparable> {
    let kind = output.kind.ok_or(NotComparable::Unexpected)?;
    Ok((
        name.0.into_owned(),
        OpenOutput {
            value: output.value,
            kind,
        },
    ))
}
