//! The resource instances of one state, without secrets: page by page, or one of them whole.
//!
//! What is shown of an attribute is decided by the mask that comparisons and outputs use.

use serde::Serialize;
use serde_json::value::RawValue;

use super::instance::{Instance, Object};
use super::masking::Mask;
use super::neighbours::Neighbours;
use super::not_comparable::NotComparable;
use super::report::{ENTRY, MAX_REPORT, is_false};
use super::reporting::{index_key, shown_id};
use super::sensitive::marked;
use super::state::StateTree;
use super::text::unquoted;
use super::values::{Shown, shown_text};
use crate::model::resource::ResourceFilter;

/// Attributes of an instance in a list that are written in more bytes are left out there.
pub const MAX_LISTED_ATTRIBUTES: usize = 64 * 1024;
/// At most so many deposed objects are listed of an instance.
const MAX_DEPOSED: usize = 1_000;

/// A part of the instances of a state, in the order of addresses.
#[derive(Debug, Default)]
pub struct ResourcesPage {
    /// The instances.
    pub resources: Vec<ShownInstance>,
    /// The address behind which the next page begins; none at the end.
    pub next: Option<String>,
}

/// A resource instance.
#[derive(Debug, Default, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of the answer, left out where it is false"
)]
pub struct ShownInstance {
    /// Its address as Terraform prints it.
    pub address: String,
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
    /// The provider's address as the state writes it.
    pub provider: Option<String>,
    /// The provider's id; none where there is none or it is hidden.
    pub id: Option<String>,
    /// `tainted`, or none.
    pub status: Option<String>,
    /// The keys of its deposed objects.
    pub deposed: Vec<String>,
    /// The paths that the state marks as sensitive.
    pub sensitive: Vec<String>,
    /// Its attributes as they are written; left out where they are hidden, too long or not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Box<RawValue>>,
    /// Whether all of its attributes are secret, and so left out.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Whether something inside its attributes is secret, and so masked.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden_inside: bool,
    /// Whether its attributes are too long or nested too deep, and so left out.
    #[serde(skip_serializing_if = "is_false")]
    pub too_long: bool,
    /// Whether a list in it was cut.
    #[serde(skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// An instance with what it depends on, and what needs it.
#[derive(Debug, Serialize)]
pub struct WholeInstance {
    /// The instance.
    #[serde(flatten)]
    pub instance: ShownInstance,
    /// The version of the provider's schema.
    pub schema_version: Option<u64>,
    /// The addresses of the instances that it depends on.
    pub depends_on: Vec<String>,
    /// The addresses of the instances that depend on it.
    pub needed_by: Vec<String>,
}

/// Lists instances of a state; none if `after` is no address of it.
///
/// # Errors
///
/// Where the state cannot be read as one of format 1 to 4.
pub fn list_resources(
    bytes: &[u8],
    filter: &ResourceFilter,
) -> Result<Option<ResourcesPage>, NotComparable> {
    let state = StateTree::parse(bytes)?;
    let Some(rest) = behind(&state.instances, filter.after.as_deref()) else {
        return Ok(None);
    };
    let (mut page, mut room) = (ResourcesPage::default(), MAX_REPORT);
    for instance in rest {
        let address = instance.address.to_string();
        if !wants(filter, instance, &address) {
            continue;
        }
        let shown = ShownInstance::of(instance, address, MAX_LISTED_ATTRIBUTES);
        let size = shown.size();
        let has_room = page.resources.is_empty() || size <= room;
        if page.resources.len() >= filter.limit || !has_room {
            page.next = page.resources.last().map(|last| last.address.clone());
            break;
        }
        room = room.saturating_sub(size);
        page.resources.push(shown);
    }
    Ok(Some(page))
}

fn wants(filter: &ResourceFilter, instance: &Instance<'_>, address: &str) -> bool {
    let (kind, prefix) = (filter.kind.as_deref(), filter.prefix.as_deref());
    kind.is_none_or(|kind| instance.address.kind == kind)
        && prefix.is_none_or(|prefix| address.starts_with(prefix))
}

/// The instances behind the one with an address; none if no instance has it.
fn behind<'s, 'a>(
    instances: &'s [Instance<'a>],
    address: Option<&str>,
) -> Option<&'s [Instance<'a>]> {
    let Some(address) = address else {
        return Some(instances);
    };
    let has_it = |instance: &Instance<'_>| instance.address.to_string() == address;
    instances.get(instances.iter().rposition(has_it)?.saturating_add(1)..)
}

/// One instance of a state by its address; none if no instance has it.
///
/// # Errors
///
/// Where the state cannot be read as one of format 1 to 4.
pub fn one_resource(bytes: &[u8], address: &str) -> Result<Option<WholeInstance>, NotComparable> {
    let state = StateTree::parse(bytes)?;
    let has_it = |instance: &&Instance<'_>| instance.address.to_string() == address;
    let Some(found) = state.instances.iter().find(has_it) else {
        return Ok(None);
    };
    let mut instance = ShownInstance::of(found, address.to_owned(), MAX_REPORT);
    let neighbours = Neighbours::of(found, &state);
    instance.truncated |= neighbours.is_cut;
    let schema_version = latest(found).and_then(|object| object.meta.schema_version.as_deref());
    Ok(Some(WholeInstance {
        instance,
        schema_version: schema_version.and_then(|text| text.parse().ok()),
        depends_on: neighbours.depends_on,
        needed_by: neighbours.needed_by,
    }))
}

/// The current object of an instance, or else its first deposed one.
fn latest<'i, 'a>(instance: &'i Instance<'a>) -> Option<&'i Object<'a>> {
    instance.objects().next()
}

impl ShownInstance {
    fn of(instance: &Instance<'_>, address: String, most: usize) -> Self {
        let mask = Mask::of([instance], false);
        let parts = &instance.address;
        let word = |text: Option<&str>| text.map(|text| unquoted(text).into_owned());
        let meta = latest(instance).map(|object| &object.meta);
        let (sensitive, is_cut) = marked(&mask);
        let deposed = instance.deposed.iter().take(MAX_DEPOSED);
        let mut shown = Self {
            address,
            module: (!parts.module.is_empty()).then(|| parts.module.to_string()),
            mode: parts.mode.to_string(),
            kind: parts.kind.to_string(),
            name: parts.name.to_string(),
            index_key: index_key(&parts.index),
            provider: word(meta.and_then(|meta| meta.provider.as_deref())),
            id: shown_id(instance, &mask),
            status: word(meta.and_then(|meta| meta.status)),
            deposed: deposed.map(|(key, _)| key.to_string()).collect(),
            sensitive,
            truncated: is_cut || instance.deposed.len() > MAX_DEPOSED,
            ..Self::default()
        };
        shown.take_attributes(instance, &mask, most);
        shown
    }

    fn take_attributes(&mut self, instance: &Instance<'_>, mask: &Mask, most: usize) {
        let object = instance.current.as_ref();
        let attributes = object.and_then(|object| object.attributes.or(object.flat.as_deref()));
        match attributes.map(|text| shown_text(text, mask, most)) {
            None => {}
            Some(Shown::Hidden) => self.hidden = true,
            Some(Shown::TooLong) => self.too_long = true,
            Some(Shown::Value { value, masked }) => {
                (self.attributes, self.hidden_inside) = (Some(value), masked);
            }
        }
    }

    /// What it takes in an answer, in bytes.
    fn size(&self) -> usize {
        let texts = self.deposed.iter().chain(&self.sensitive).map(String::len);
        let attributes = self
            .attributes
            .as_ref()
            .map_or(0, |value| value.get().len());
        let provider = self.provider.as_ref().map_or(0, String::len);
        let id = self.id.as_ref().map_or(0, String::len);
        2 * ENTRY + 3 * self.address.len() + provider + id + attributes + texts.sum::<usize>()
    }
}
