//! Programs that this one starts: how they run to their end, which signals reach them, and which
//! process has the terminal meanwhile.

pub(super) mod child;
pub(super) mod memory;
pub(super) mod signals;
pub(super) mod terminal;
pub(super) mod typed;
