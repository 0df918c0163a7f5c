//! Differences of two states by the addresses of their resource instances. Bytes in, answer out;
//! pure.
//!
//! [`compare`] says which instances were added, removed, moved or changed, by meaning;
//! [`Diff::report`] says how, without what is secret. Nothing recurses, however deep a state is
//! nested, and only what differs is taken apart.

mod canonical;
mod equality;
mod json;
mod number;
mod reading;
mod text;

mod address;
mod instance;
mod not_comparable;

mod format4;
mod legacy;
mod state;

mod apart;
mod comparison;
mod marks;
mod pairing;

mod masking;
mod names;
mod neighbours;
mod one_change;
mod outputs;
mod report;
mod reporting;
mod resources;
mod sensitive;
mod settings;
mod shapes;
mod values;

mod findable;

#[cfg(test)]
mod tests;

pub use address::{Index, ResourceAddress};
pub use apart::Apart;
pub use comparison::{Diff, NOTHING, Totals, compare, drops_resources};
pub use findable::{findables, has_same_findables};
pub use neighbours::MAX_NEIGHBOURS;
pub use not_comparable::NotComparable;
pub use outputs::{OpenOutput, OutputsPlace, ShownOutput};
pub use pairing::Action;
pub use report::{DiffReport, MAX_REPORT, OutputChange, ResourceChange, ValueChange};
pub use resources::{
    MAX_LISTED_ATTRIBUTES, ShownInstance, WholeInstance, list_resources, one_resource,
};
pub use sensitive::MAX_MARKED;
pub use values::{MAX_LEVELS, MAX_PATH, MAX_STEPS, MAX_VALUE};
