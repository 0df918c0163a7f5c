//! Which addresses a job touches, declared before it runs.
//!
//! An engine with several writers has to know that beforehand, to lock them in one order. SQLite
//! has one writer and does not need it; so builds with debug assertions check each verb on an
//! address against it, and every test shows a declaration that is wrong.

use crate::model::name::StateName;
use crate::model::state::StateId;

/// The addresses that a job reads or writes, beyond lists of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touches {
    /// None: keys, tokens, events, or the server's own notes.
    NoState,
    /// One address.
    Address(StateName),
    /// These addresses.
    Addresses(Vec<StateName>),
    /// One state, at whichever address it is by now.
    State(StateId),
    /// All addresses of a workspace.
    Workspace(String),
    /// Any address.
    Everything,
}

impl Touches {
    /// Whether a state is among them. Its address is only asked for where that is needed; a state
    /// that is not there is touched by anybody.
    pub(super) fn has_state(
        &self,
        state: StateId,
        address: impl FnOnce() -> Option<StateName>,
    ) -> bool {
        match self {
            Self::Everything => true,
            Self::State(declared) if *declared == state => true,
            Self::NoState | Self::State(_) => false,
            Self::Address(_) | Self::Addresses(_) | Self::Workspace(_) => {
                address().is_none_or(|name| self.has_address(&name, || None))
            }
        }
    }

    /// Whether an address is among them. Which state is there is only asked where that is needed.
    pub(super) fn has_address(
        &self,
        name: &StateName,
        state: impl FnOnce() -> Option<StateId>,
    ) -> bool {
        match self {
            Self::Everything => true,
            Self::NoState => false,
            Self::Address(declared) => declared == name,
            Self::Addresses(declared) => declared.contains(name),
            Self::State(declared) => state() == Some(*declared),
            Self::Workspace(declared) => name.workspace.as_str() == declared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(workspace: &str, block: &str) -> StateName {
        StateName::parse(workspace, block).unwrap()
    }

    #[test]
    fn a_declaration_covers_what_it_names_and_nothing_else() {
        let (state, other) = (StateId::new(1), StateId::new(2));
        let at = |text: &str| Some(name("w", text));
        for (touches, addresses, states) in [
            (Touches::NoState, [false; 3], [false; 2]),
            (
                Touches::Address(name("w", "a")),
                [true, false, false],
                [true, false],
            ),
            (
                Touches::Addresses(vec![name("w", "a"), name("x", "a")]),
                [true, false, true],
                [true, false],
            ),
            (Touches::State(state), [true, false, false], [true, false]),
            (
                Touches::Workspace("w".to_owned()),
                [true, true, false],
                [true, true],
            ),
            (Touches::Everything, [true; 3], [true; 2]),
        ] {
            assert_eq!(
                [
                    touches.has_address(&name("w", "a"), || Some(state)),
                    touches.has_address(&name("w", "b"), || Some(other)),
                    touches.has_address(&name("x", "a"), || None),
                ],
                addresses,
                "{touches:?}"
            );
            assert_eq!(
                [
                    touches.has_state(state, || at("a")),
                    touches.has_state(other, || at("b")),
                ],
                states,
                "{touches:?}"
            );
        }
    }
}
