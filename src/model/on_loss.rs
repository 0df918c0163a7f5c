//! What is to be done if acknowledged writes turn out to be missing when the data is opened.

/// What is to be done then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Refuse, and change nothing.
    #[default]
    Refuse,
    /// Go on without them, because a person says so.
    Accept,
    /// Go on without them, because the data was restored from a replica that ends earlier.
    Restored,
}
