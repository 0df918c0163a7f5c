//! Which events last: how long they are kept, and which others they compete with for the rows of
//! the log.
//!
//! Lasting is what is rare and asked for years later: about keys, purges, broken locks, refused
//! writes, damage, secrets that were shown. Nothing that happens all the time takes their rows.

/// How long events are kept, and which others they compete with for the rows of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventClass {
    /// What happens all the time.
    Ordinary,
    /// What is rare and asked for years later.
    Lasting,
}

impl EventClass {
    /// Each class.
    pub const ALL: [Self; 2] = [Self::Ordinary, Self::Lasting];

    /// The class of events that are lasting, or not.
    pub const fn of(is_lasting: bool) -> Self {
        if is_lasting {
            Self::Lasting
        } else {
            Self::Ordinary
        }
    }
}

/// The events of one state, of a workspace without a state, or without a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventShare {
    /// The workspace.
    pub workspace: Option<String>,
    /// The building block.
    pub block: Option<String>,
}

/// How many rows of a class there are.
#[derive(Clone, Debug)]
pub struct EventCount {
    /// Whose they are.
    pub of: EventShare,
    /// Their class.
    pub class: EventClass,
    /// How many.
    pub rows: u64,
}
