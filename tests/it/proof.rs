//! Proof by breaking: the server is killed, paused, starved and cut off while many act on it, and
//! what it had acknowledged has to be there afterwards.
//!
//! Each test has a short form that runs each time, a middle one (`-- --ignored`), and a length that
//! can be set by a variable for a long run by hand: `docs/reliability.md` has the commands. Each
//! has a control: the same check on a wrong model or on a server that was built to break the
//! promise (`sabotaged`), which has to be rejected.

mod classes;
mod controls;
mod dice;
mod fair;
mod fuzz;
mod histories;
mod hostile;
mod io;
mod kills;
pub mod length;
mod power;
mod sabotaged;
mod slow;
mod soak;
