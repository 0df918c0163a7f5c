//! Which resource instances of a version are asked for.

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
