//! The program that is asked about, and the kinds of files that are examined.

use serde::Serialize;

/// A program that would load the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// `terraform`, which does not know `.tofu`.
    Terraform,
    /// `tofu`, for which `x.tofu` hides `x.tf`.
    Tofu,
}

/// A question about a module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// The program that would load it; if none is named, both have to come to the same answer.
    pub program: Option<Program>,
    /// Whether JSON files are examined as well.
    pub include_json: bool,
}
