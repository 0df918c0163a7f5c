//! Why two states cannot be compared.

/// Why two states cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComparable {
    /// Its client encrypted it.
    #[error("the state is encrypted by its client")]
    Encrypted,
    /// None of the formats 1 to 4.
    #[error("the state is not of format 1, 2, 3 or 4")]
    Format,
    /// JSON, but not as Terraform writes it.
    #[error("the state is not in the form that Terraform writes")]
    Unexpected,
    /// More instances than a state of its size can have.
    #[error("the state has more resource instances than fit into its size")]
    Crowded,
}

impl NotComparable {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Format => "format",
            Self::Unexpected => "unexpected",
            Self::Crowded => "crowded",
        }
    }
}
