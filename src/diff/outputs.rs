//! The outputs of a state, without secrets. All else in the state is passed over: what it takes is
//! as much as the outputs are, however large the state is.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::value::RawValue;

use super::canonical::{hash_text, hash_value};
use super::instance::Output;
use super::masking::Mask;
use super::not_comparable::NotComparable;
use super::reading::{Raw, Text, read_members};
use super::state::StateTree;
use super::values::{Shown, shown_text};
use crate::model::digest::{Digest, Hasher};

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

/// Where the outputs of a state stand in its bytes.
#[derive(Clone, Debug)]
pub enum OutputsPlace {
    /// In one member, as format 4 has them; an empty range where there is none.
    Here(Range<usize>),
    /// In the modules of formats 1 to 3, among all else.
    InModules(usize),
}

#[derive(Default)]
struct Head<'a> {
    version: Option<i64>,
    outputs: Raw<'a>,
    encrypted_data: Raw<'a>,
}

read_members!(Head {
    "version" => version,
    "outputs" => outputs,
    "encrypted_data" => encrypted_data,
});

type OutputsOf<'a> = BTreeMap<Text<'a>, Output<'a>>;

impl OutputsPlace {
    /// Finds them, with no memory for anything.
    ///
    /// # Errors
    ///
    /// Where the state cannot be read as one of format 1 to 4.
    pub fn in_state(bytes: &[u8]) -> Result<Self, NotComparable> {
        let head: Head<'_> =
            serde_json::from_slice(bytes).map_err(|_| NotComparable::Unexpected)?;
        if head.encrypted_data.is_some() {
            return Err(NotComparable::Encrypted);
        }
        match head.version {
            Some(4) => Ok(Self::Here(head.outputs.map_or(0..0, |raw| {
                let text = raw.get();
                let start = text.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
                start..start + text.len()
            }))),
            Some(1..=3) => Ok(Self::InModules(bytes.len())),
            _ => Err(NotComparable::Format),
        }
    }

    /// How many bytes have to be taken apart to show them.
    pub fn size(&self) -> u64 {
        match self {
            Self::Here(range) => range.len() as u64,
            Self::InModules(size) => *size as u64,
        }
    }

    /// The outputs of the same state; secrets in clear only if `reveal` says so. A value may have
    /// any length.
    ///
    /// # Errors
    ///
    /// Where they are not as Terraform writes them.
    pub fn shown(
        &self,
        bytes: &[u8],
        reveal: bool,
    ) -> Result<BTreeMap<String, ShownOutput>, NotComparable> {
        let shown = self.read(bytes)?.into_iter().map(|(name, output)| {
            let shown = ShownOutput::of(&name.0, output, reveal);
            (name.0.into_owned(), shown)
        });
        Ok(shown.collect())
    }

    /// The outputs of the same state that are not sensitive, as the programs read them.
    ///
    /// # Errors
    ///
    /// Where they are not as Terraform writes them.
    pub fn open<'a>(
        &self,
        bytes: &'a [u8],
    ) -> Result<BTreeMap<String, OpenOutput<'a>>, NotComparable> {
        let outputs = self.read(bytes)?.into_iter();
        outputs
            .filter(|(_, output)| !output.sensitive)
            .map(as_written)
            .collect()
    }

    /// A digest of the names, types and values of the same state's outputs, and of which are
    /// sensitive. It is the same for two states if their outputs are, however they are written.
    ///
    /// # Errors
    ///
    /// Where they are not as Terraform writes them, or too crowded to be taken apart.
    pub fn digest(&self, bytes: &[u8]) -> Result<Digest, NotComparable> {
        let mut hasher = Hasher::default();
        for (name, output) in self.read(bytes)? {
            hash_text(&mut hasher, &name.0);
            hasher.update(&[u8::from(output.sensitive)]);
            for part in [output.kind, output.value] {
                let text = part.map_or("null", RawValue::get);
                let is_json = hash_value(&mut hasher, text);
                is_json.then_some(()).ok_or(NotComparable::Unexpected)?;
            }
        }
        Ok(hasher.finish())
    }

    fn read<'a>(&self, bytes: &'a [u8]) -> Result<OutputsOf<'a>, NotComparable> {
        let range = match self {
            Self::InModules(_) => return Ok(StateTree::parse(bytes)?.outputs),
            Self::Here(range) if range.is_empty() => return Ok(BTreeMap::new()),
            Self::Here(range) => range.clone(),
        };
        let text = bytes.get(range).ok_or(NotComparable::Unexpected)?;
        serde_json::from_slice(text).map_err(|_| NotComparable::Unexpected)
    }
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
