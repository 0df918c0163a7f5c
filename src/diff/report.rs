//! The answer: what changed, value by value, without what is secret.

use serde::Serialize;
use serde_json::value::RawValue;

use super::comparison::Totals;
use super::masking::Mask;
use super::pairing::Action;
use super::values::{MAX_VALUE, Shown, shown_text};

/// Once the listed changes take so many bytes, the rest is left out and only counted.
pub const MAX_REPORT: usize = 4 * 1024 * 1024;
/// What an entry takes beside its texts.
pub(super) const ENTRY: usize = 160;

/// The changes from one state to another.
#[derive(Debug, Default, Serialize)]
pub struct DiffReport {
    /// How much, always whole.
    pub counts: Totals,
    /// The program version that wrote the states, where it is not the same.
    pub terraform_version: Option<ValueChange>,
    /// Outputs that are not as they were, by name.
    pub outputs: Vec<OutputChange>,
    /// Instances that are not as they were, by address.
    pub resources: Vec<ResourceChange>,
    /// Whether something was left out because the answer would be too long.
    pub truncated: bool,
}

/// An instance that is not as it was.
#[derive(Debug, Serialize)]
pub struct ResourceChange {
    /// The change.
    pub action: Action,
    /// Its address as Terraform prints it.
    pub address: String,
    /// Where it was, if it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_address: Option<String>,
    /// The module's address; none for the root module.
    pub module: Option<String>,
    /// `managed` or `data`.
    pub mode: String,
    /// The resource's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// A number, a text, or none.
    pub index_key: Option<serde_json::Value>,
    /// The key of its deposed object, where nothing else of the instance is or was there.
    pub deposed: Option<String>,
    /// The provider's id; none where there is none or it is hidden.
    pub id: Option<String>,
    /// Attributes that are not as they were.
    pub attributes: Vec<ValueChange>,
    /// The same of what a state says beside them: `provider`, `schema_version`, `status`,
    /// `dependencies` and the like, and of deposed objects.
    pub meta: Vec<ValueChange>,
    /// Whether attributes were left out because the answer would be too long.
    #[serde(skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// A value that is not as it was.
#[derive(Debug, Default, Serialize)]
pub struct ValueChange {
    /// Where it is.
    pub path: String,
    /// As it was; left out where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<RawValue>>,
    /// As it is; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<RawValue>>,
    /// Whether the values are secret, and so left out.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Whether something inside the values is secret, and so masked.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden_inside: bool,
    /// Whether the values are too long or nested too deep, and so left out.
    #[serde(skip_serializing_if = "is_false")]
    pub too_long: bool,
}

/// An output that is not as it was.
#[derive(Debug, Serialize)]
pub struct OutputChange {
    /// The change; outputs do not move.
    pub action: Action,
    /// Its value; `path` is its name.
    #[serde(flatten)]
    pub value: ValueChange,
    /// Whether it was sensitive before, if that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_sensitive: Option<bool>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

impl ValueChange {
    /// A change of which nothing is shown.
    pub(super) fn hidden(path: String) -> Self {
        Self {
            path,
            hidden: true,
            ..Self::default()
        }
    }

    /// A change whose values are too long to be taken apart.
    pub(super) fn too_long(path: String) -> Self {
        Self {
            path,
            too_long: true,
            ..Self::default()
        }
    }

    fn take(&mut self, shown: Option<Shown>) -> Option<Box<RawValue>> {
        match shown? {
            Shown::Value { value, masked } => {
                self.hidden_inside |= masked;
                return Some(value);
            }
            Shown::Hidden => self.hidden = true,
            Shown::TooLong => self.too_long = true,
        }
        None
    }

    /// A change of which as much is shown as may be.
    pub(super) fn of(path: String, before: Option<Shown>, after: Option<Shown>) -> Self {
        let mut change = Self {
            path,
            ..Self::default()
        };
        let (before, after) = (change.take(before), change.take(after));
        if !change.hidden && !change.too_long {
            (change.before, change.after) = (before, after);
        }
        change
    }

    /// A change of two texts of JSON.
    pub(super) fn of_texts(
        path: String,
        before: Option<&str>,
        after: Option<&str>,
        mask: &Mask,
    ) -> Self {
        let shown = |text: Option<&str>| text.map(|text| shown_text(text, mask, MAX_VALUE));
        Self::of(path, shown(before), shown(after))
    }

    pub(super) fn size(&self) -> usize {
        let of =
            |value: &Option<Box<RawValue>>| value.as_ref().map_or(0, |value| value.get().len());
        ENTRY + self.path.len() + of(&self.before) + of(&self.after)
    }
}
