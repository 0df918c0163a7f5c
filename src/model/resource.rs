//! Which resource instances of a version are asked for, or which part of the history of one.

/// A question for resource instances, which are in the order of their addresses.
#[derive(Clone, Debug)]
pub struct ResourceFilter {
    /// Only addresses that begin with this.
    pub prefix: Option<String>,
    /// Only resources of this type.
    pub kind: Option<String>,
    /// Only what is behind this address, which has to be one of the version.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A question for the versions that changed one instance, newest first.
#[derive(Clone, Debug)]
pub struct ResourceTrail {
    /// Its address.
    pub address: String,
    /// Only changes of this attribute of it, or of what is inside that one.
    pub attribute: Option<String>,
    /// Only versions before this number.
    pub before: Option<u64>,
    /// At most so many changes.
    pub limit: usize,
}
